using Steer.Kernels;

namespace Steer.Runtime.Models;

/// <summary>The activations of one forward pass, allocated once for the largest batch; widths in columns.</summary>
internal sealed class DecoderScratch : IDisposable
{
    private readonly DeviceMemory _memory;

    public DecoderScratch(Device device, DecoderConfig config, int maxRows, int maxLogitRows)
    {
        _memory = new DeviceMemory(device);
        int queries = config.NumHeads * config.HeadDim, keys = config.NumKvHeads * config.HeadDim;
        int upParts = config.GatedMlp ? 2 : 1;
        Hidden = Matrix(maxRows, config.HiddenSize);
        Normed = Matrix(maxRows, config.HiddenSize);
        Qkv = Matrix(maxRows, queries + 2 * keys);
        Attended = Matrix(maxRows, queries);
        AttentionDelta = Matrix(maxRows, config.HiddenSize);
        MlpDelta = Matrix(maxRows, config.HiddenSize);
        Angles = [.. config.Ropes.Select(r => Matrix(maxRows, 2 * r.InverseFrequencies.Length))];
        LogitHidden = Matrix(maxLogitRows, config.HiddenSize);
        if (config.Layers.Any(l => !l.IsMoe))
        {
            Up = Matrix(maxRows, upParts * config.DenseIntermediateSize);
            Activated = Matrix(maxRows, config.DenseIntermediateSize);
        }

        if (config.NumExperts > 0)
        {
            int fanOut = config.ExpertsPerToken;
            RouterLogits = Matrix(maxRows, config.NumExperts);
            ExpertWeights = Matrix(maxRows, fanOut);
            ExpertIds = _memory.Allocate<int>((long)maxRows * fanOut);
            ExpertUp = Matrix(maxRows * fanOut, upParts * config.IntermediateSize);
            ExpertActivated = Matrix(maxRows * fanOut, config.IntermediateSize);
            ExpertDown = Matrix(maxRows * fanOut, config.HiddenSize);
        }
    }

    /// <summary>The residual stream.</summary>
    public Tensor Hidden { get; }

    public Tensor Normed { get; }

    public Tensor Qkv { get; }

    public Tensor Attended { get; }

    /// <summary>What attention adds to the residual stream.</summary>
    public Tensor AttentionDelta { get; }

    /// <summary>What the feed-forward block adds to it.</summary>
    public Tensor MlpDelta { get; }

    public Tensor Up { get; }

    public Tensor Activated { get; }

    /// <summary>Cosines and sines of this batch's positions, for each of the config's ropes.</summary>
    public IReadOnlyList<Tensor> Angles { get; }

    public Tensor RouterLogits { get; }

    public Tensor ExpertWeights { get; }

    public DeviceBuffer<int>? ExpertIds { get; }

    public Tensor ExpertUp { get; }

    public Tensor ExpertActivated { get; }

    public Tensor ExpertDown { get; }

    public Tensor LogitHidden { get; }

    /// <summary>Device memory taken, in bytes.</summary>
    public long Bytes { get; private set; }

    public void Dispose() => _memory.Dispose();

    private Tensor Matrix(int rows, int columns)
    {
        Bytes += sizeof(float) * (long)rows * columns;
        return new Tensor(_memory.Allocate<float>((long)rows * columns), rows, columns);
    }
}
