namespace Steer.Kernels.Gpu;

/// <summary>What <see cref="GuideAndSampleKernel"/> needs beside its batch, in the memory of the device.</summary>
internal sealed class GuideAndSampleWorkspace : IDisposable
{
    private readonly List<IDisposable> _buffers = [];

    public GuideAndSampleWorkspace(IlgpuDevice device, GuideBatch batch)
    {
        long branches = batch.Branches.Length, sequences = batch.Rows.Length;
        Chunks = GuideLogSumsKernel.Chunks(batch.VocabSize);
        Pitch = batch.VocabSize + GuideTokens.Padding;
        try
        {
            Maxima = Own(device.AllocateBuffer<float>(branches));
            LogSums = Own(device.AllocateBuffer<float>(branches));
            ChunkMaxima = Own(device.AllocateBuffer<float>(branches * Chunks));
            ChunkSums = Own(device.AllocateBuffer<double>(branches * Chunks));
            Scores = Own(device.AllocateBuffer<float>(sequences * Pitch));
            Keys = Own(device.AllocateBuffer<float>(sequences * Pitch));
            Ids = Own(device.AllocateBuffer<int>(sequences * Pitch));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Chunks of the vocabulary.</summary>
    public int Chunks { get; }

    /// <summary>Places of a sequence.</summary>
    public int Pitch { get; }

    /// <summary>Largest logit of each branch [branches].</summary>
    public IlgpuBuffer<float> Maxima { get; }

    /// <summary>log of the sum of exp(logit - maximum) of each branch [branches].</summary>
    public IlgpuBuffer<float> LogSums { get; }

    /// <summary>Largest logit of each chunk [branches, Chunks].</summary>
    public IlgpuBuffer<float> ChunkMaxima { get; }

    /// <summary>Sum of exp(logit - maximum of its chunk) of each chunk [branches, Chunks].</summary>
    public IlgpuBuffer<double> ChunkSums { get; }

    /// <summary>
    /// After a step that was not greedy: scores whose softmax is the distribution it drew from, see <see cref="GuideTokens"/> [sequences, Pitch].
    /// </summary>
    public IlgpuBuffer<float> Scores { get; }

    /// <summary>What tokens are ordered by where that is not the score [sequences, Pitch].</summary>
    public IlgpuBuffer<float> Keys { get; }

    /// <summary>The token at each place, where few stand [sequences, Pitch].</summary>
    public IlgpuBuffer<int> Ids { get; }

    public void Dispose() => _buffers.ForEach(b => b.Dispose());

    private IlgpuBuffer<T> Own<T>(IlgpuBuffer<T> buffer)
        where T : unmanaged
    {
        _buffers.Add(buffer);
        return buffer;
    }
}
