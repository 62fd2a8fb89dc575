using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// Keys [layer][kv head][block][head dim][16] and values [layer][kv head][plane of 32 columns][block][16][32]: the scores of a block's 16 positions
/// are one vector, and values lie in the panels of a tile. Attention goes through neighbouring blocks of a context from front to back, in one
/// run of memory for each head and plane: at half the speed and less if it has to jump. The last plane is filled up with zeros.
/// </summary>
internal sealed unsafe class HostKvCache : KvCache
{
    private const int BlockSize = KvCacheShape.BlockSize;
    private const int PlaneWidth = HostWeight.PanelWidth;

    private readonly HostBuffer<float> _keys;
    private readonly HostBuffer<float> _values;
    private readonly int _planes;

    public HostKvCache(KvCacheShape shape)
        : base(shape)
    {
        _planes = (shape.HeadDim + PlaneWidth - 1) / PlaneWidth;
        long positions = checked((long)shape.NumLayers * shape.NumKvHeads * shape.NumBlocks * BlockSize);
        _keys = new HostBuffer<float>(checked(positions * shape.HeadDim));
        _values = new HostBuffer<float>(checked(positions * _planes * PlaneWidth));
    }

    /// <summary>Elements from one plane of values to the next.</summary>
    public long ValuePlane => (long)Shape.NumBlocks * BlockSize * PlaneWidth;

    /// <summary>A head's keys in a block [head dim][16].</summary>
    public float* Keys(int layer, int head, int block) =>
        _keys.Data + ((((((long)layer * Shape.NumKvHeads) + head) * Shape.NumBlocks) + block) * BlockSize * Shape.HeadDim);

    /// <summary>The first 32 columns of a head's values in a block [16][32].</summary>
    public float* Values(int layer, int head, int block) =>
        _values.Data + ((((long)layer * Shape.NumKvHeads) + head) * _planes * ValuePlane) + ((long)block * BlockSize * PlaneWidth);

    /// <summary>Writes a head's key and value [head dim] at slot block * 16 + position.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Write(int layer, int head, int slot, float* key, float* value)
    {
        int block = slot / BlockSize, position = slot % BlockSize;
        float* keys = Keys(layer, head, block) + position;
        for (int i = 0; i < Shape.HeadDim; i++)
            keys[i * BlockSize] = key[i];
        float* values = Values(layer, head, block) + (position * PlaneWidth);
        for (int column = 0; column < Shape.HeadDim; column += PlaneWidth, values += ValuePlane)
        {
            int count = Math.Min(PlaneWidth, Shape.HeadDim - column);
            new ReadOnlySpan<float>(value + column, count).CopyTo(new Span<float>(values, count));
        }
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _keys.Dispose();
        _values.Dispose();
    }
}
