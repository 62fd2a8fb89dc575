namespace Steer.Kernels;

/// <summary>The size of a paged cache of keys and values.</summary>
/// <param name="NumLayers">Layers of the decoder.</param>
/// <param name="NumBlocks">Blocks of <see cref="BlockSize"/> positions; every layer has its part of each block.</param>
/// <param name="NumKvHeads">Key and value heads.</param>
/// <param name="HeadDim">Width of a head.</param>
/// <param name="Type">
/// How keys and values are stored: F32, BF16, or Int8 with a float32 scale for each position and head, of keys and of values.
/// </param>
/// <param name="RoundActivations">
/// Where keys and values are BF16: what they are multiplied with, queries and the weights of softmax, may be rounded to bfloat16 too. The other types
/// never round.
/// </param>
public readonly record struct KvCacheShape(
    int NumLayers, int NumBlocks, int NumKvHeads, int HeadDim, DType Type = DType.F32, bool RoundActivations = false)
{
    /// <summary>Positions in a block.</summary>
    public const int BlockSize = 16;

    /// <summary>Bytes of one block over all layers, keys and values.</summary>
    public long BytesPerBlock => 2L * NumLayers * BlockSize * NumKvHeads * BytesPerHead;

    /// <summary>Bytes of all blocks.</summary>
    public long Bytes => NumBlocks * BytesPerBlock;

    private long BytesPerHead => Type == DType.Int8 ? HeadDim + sizeof(float) : HeadDim * Type.Size();
}

/// <summary>A paged cache of keys and values [layers, blocks, kv heads, block positions, head dim]; the inner layout is the device's own.</summary>
public abstract class KvCache(KvCacheShape shape) : IDisposable
{
    /// <summary>The size it was made with.</summary>
    public KvCacheShape Shape { get; } = shape;

    /// <inheritdoc/>
    public abstract void Dispose();
}
