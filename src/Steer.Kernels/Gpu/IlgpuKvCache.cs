namespace Steer.Kernels.Gpu;

/// <summary>Keys and values, each [layers, blocks, kv heads, block positions, head], see <see cref="KvView"/>.</summary>
internal sealed class IlgpuKvCache : KvCache
{
    private readonly List<IDisposable> _buffers = [];
    private readonly IlgpuBuffer<uint> _keys;
    private readonly IlgpuBuffer<uint> _values;
    private readonly IlgpuBuffer<float> _keyScales;
    private readonly IlgpuBuffer<float> _valueScales;

    public IlgpuKvCache(IlgpuDevice device, KvCacheShape shape)
        : base(shape)
    {
        long words = checked(shape.NumLayers * LayerHeads * KvView.HeadWords(shape));
        long scales = shape.Type == DType.Int8 ? checked(shape.NumLayers * LayerHeads) : 0;
        try
        {
            _keys = Own(device.AllocateBuffer<uint>(words));
            _values = Own(device.AllocateBuffer<uint>(words));
            _keyScales = Own(device.AllocateBuffer<float>(scales));
            _valueScales = Own(device.AllocateBuffer<float>(scales));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    // Heads of one layer, over all positions.
    private long LayerHeads => (long)Shape.NumBlocks * Shape.NumKvHeads * KvCacheShape.BlockSize;

    public KvView Keys(int layer) => View(layer, _keys, _keyScales);

    public KvView Values(int layer) => View(layer, _values, _valueScales);

    public override void Dispose() => _buffers.ForEach(b => b.Dispose());

    private KvView View(int layer, IlgpuBuffer<uint> words, IlgpuBuffer<float> scales)
    {
        long length = LayerHeads * KvView.HeadWords(Shape);
        return new KvView(
            Shape, words.View.SubView(layer * length, length),
            Shape.Type == DType.Int8 ? scales.View.SubView(layer * LayerHeads, LayerHeads) : scales.View);
    }

    private IlgpuBuffer<T> Own<T>(IlgpuBuffer<T> buffer)
        where T : unmanaged
    {
        _buffers.Add(buffer);
        return buffer;
    }
}
