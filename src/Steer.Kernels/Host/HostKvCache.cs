namespace Steer.Kernels.Host;

/// <summary>
/// Keys [layer][kv head][block][head dim][16] and values [layer][kv head][block][16][padded head dim]: the scores of a block's 16 positions are
/// one vector, and so are 16 columns of a value; neighbouring blocks of a context are one run of memory for each head. The head dim of values is
/// rounded up to 16 columns; the rest stays zero.
/// </summary>
internal sealed unsafe class HostKvCache : KvCache
{
    private readonly HostBuffer<float> _keys;
    private readonly HostBuffer<float> _values;

    public HostKvCache(KvCacheShape shape)
        : base(shape)
    {
        ValueStride = (shape.HeadDim + 15) / 16 * 16;
        KeyBlock = (long)KvCacheShape.BlockSize * shape.HeadDim;
        ValueBlock = (long)KvCacheShape.BlockSize * ValueStride;
        long heads = checked((long)shape.NumLayers * shape.NumBlocks * shape.NumKvHeads);
        _keys = new HostBuffer<float>(checked(heads * KeyBlock));
        _values = new HostBuffer<float>(checked(heads * ValueBlock));
    }

    /// <summary>Elements from one position's value to the next.</summary>
    public int ValueStride { get; }

    /// <summary>Elements of one head's keys in one block.</summary>
    public long KeyBlock { get; }

    /// <summary>Elements of one head's values in one block.</summary>
    public long ValueBlock { get; }

    /// <summary>Keys of a head in block 0 of a layer; blocks follow each other at <see cref="KeyBlock"/>.</summary>
    public float* Keys(int layer, int head) => _keys.Data + ((((long)layer * Shape.NumKvHeads) + head) * Shape.NumBlocks * KeyBlock);

    /// <summary>Values of a head in block 0 of a layer; blocks follow each other at <see cref="ValueBlock"/>.</summary>
    public float* Values(int layer, int head) => _values.Data + ((((long)layer * Shape.NumKvHeads) + head) * Shape.NumBlocks * ValueBlock);

    /// <summary>Writes a head's key and value [head dim] at slot block * 16 + position.</summary>
    public void Write(int layer, int head, int slot, float* key, float* value)
    {
        long block = slot / KvCacheShape.BlockSize;
        int position = slot % KvCacheShape.BlockSize;
        float* keys = Keys(layer, head) + (block * KeyBlock) + position;
        for (int i = 0; i < Shape.HeadDim; i++)
            keys[i * KvCacheShape.BlockSize] = key[i];
        float* values = Values(layer, head) + (block * ValueBlock) + (position * ValueStride);
        new ReadOnlySpan<float>(value, Shape.HeadDim).CopyTo(new Span<float>(values, Shape.HeadDim));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
    }
}
