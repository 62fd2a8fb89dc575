namespace Steer.Kernels;

/// <summary>The size of a paged cache of keys and values.</summary>
/// <param name="NumLayers">Layers of the decoder.</param>
/// <param name="NumBlocks">Blocks of <see cref="BlockSize"/> positions; every layer has its part of each block.</param>
/// <param name="NumKvHeads">Key and value heads.</param>
/// <param name="HeadDim">Width of a head.</param>
public readonly record struct KvCacheShape(int NumLayers, int NumBlocks, int NumKvHeads, int HeadDim)
{
    /// <summary>Positions in a block.</summary>
    public const int BlockSize = 16;

    /// <summary>Bytes of one block over all layers, keys and values in float32.</summary>
    public long BytesPerBlock => 2L * sizeof(float) * NumLayers * BlockSize * NumKvHeads * HeadDim;
}

/// <summary>A paged cache of keys and values [layers, blocks, kv heads, block positions, head dim]; the inner layout is the device's own.</summary>
public abstract class KvCache(KvCacheShape shape) : IDisposable
{
    /// <summary>The size it was made with.</summary>
    public KvCacheShape Shape { get; } = shape;

    /// <inheritdoc/>
    public abstract void Dispose();
}
