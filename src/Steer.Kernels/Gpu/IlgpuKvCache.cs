using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Keys and values, each [layers, blocks, kv heads, block positions, head dim].</summary>
internal sealed class IlgpuKvCache(KvCacheShape shape, IlgpuBuffer<float> keys, IlgpuBuffer<float> values) : KvCache(shape)
{
    private long LayerLength => (long)Shape.NumBlocks * Shape.NumKvHeads * KvCacheShape.BlockSize * Shape.HeadDim;

    public ArrayView<float> Keys(int layer) => keys.View.SubView(layer * LayerLength, LayerLength);

    public ArrayView<float> Values(int layer) => values.View.SubView(layer * LayerLength, LayerLength);

    public override void Dispose()
    {
        keys.Dispose();
        values.Dispose();
    }
}
