namespace Steer.Kernels.Gpu;

/// <summary>What the kernel needs beside its batch, in the memory of the device.</summary>
internal sealed class GuideAndSampleWorkspace(IlgpuDevice device, GuideBatch batch) : IDisposable
{
    /// <summary>Largest logit of each branch [branches].</summary>
    public IlgpuBuffer<float> Maxima { get; } = device.AllocateBuffer<float>(batch.Branches.Length);

    /// <summary>log of the sum of exp(logit - maximum) of each branch [branches].</summary>
    public IlgpuBuffer<float> LogSums { get; } = device.AllocateBuffer<float>(batch.Branches.Length);

    /// <summary>Chunks of the vocabulary.</summary>
    public int Chunks { get; } = GuideLogSumsKernel.Chunks(batch.VocabSize);

    /// <summary>Largest logit of each chunk [branches, Chunks].</summary>
    public IlgpuBuffer<float> ChunkMaxima { get; } =
        device.AllocateBuffer<float>(batch.Branches.Length * GuideLogSumsKernel.Chunks(batch.VocabSize));

    /// <summary>Sum of exp(logit - maximum of its chunk) of each chunk [branches, Chunks].</summary>
    public IlgpuBuffer<double> ChunkSums { get; } =
        device.AllocateBuffer<double>(batch.Branches.Length * GuideLogSumsKernel.Chunks(batch.VocabSize));

    /// <summary>Places of a sequence.</summary>
    public int Pitch { get; } = batch.VocabSize + GuideTokens.Padding;

    /// <summary>After a step that was not greedy: scores whose softmax is the distribution it drew from, see <see cref="GuideTokens"/> [sequences, Pitch].</summary>
    public IlgpuBuffer<float> Scores { get; } = device.AllocateBuffer<float>(batch.Rows.Length * (batch.VocabSize + GuideTokens.Padding));

    /// <summary>What tokens are ordered by where that is not the score [sequences, Pitch].</summary>
    public IlgpuBuffer<float> Keys { get; } = device.AllocateBuffer<float>(batch.Rows.Length * (batch.VocabSize + GuideTokens.Padding));

    /// <summary>The token at each place, where few stand [sequences, Pitch].</summary>
    public IlgpuBuffer<int> Ids { get; } = device.AllocateBuffer<int>(batch.Rows.Length * (batch.VocabSize + GuideTokens.Padding));

    public void Dispose()
    {
        Maxima.Dispose();
        LogSums.Dispose();
        ChunkMaxima.Dispose();
        ChunkSums.Dispose();
        Scores.Dispose();
        Keys.Dispose();
        Ids.Dispose();
    }
}
