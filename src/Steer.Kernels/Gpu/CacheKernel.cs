using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Writes keys and values to the slots of their rows, see <see cref="Device.RopeAndCache"/>: one thread for each number of k.</summary>
internal static class CacheKernel
{
    public static void Run(IlgpuDevice device, Tensor k, Tensor v, ForwardBatch batch, IlgpuKvCache cache, int layer)
    {
        var parameters = new Parameters
        {
            K = new TensorView(k),
            V = new TensorView(v),
            Slots = IlgpuDevice.View(batch.SlotMapping),
            Keys = cache.Keys(layer),
            Values = cache.Values(layer),
            NumKvHeads = cache.Shape.NumKvHeads,
            HeadDim = cache.Shape.HeadDim,
        };
        device.Launch(Body, (long)k.Rows * k.Columns, parameters);
    }

    internal static void Body(Index1D index, Parameters p)
    {
        int row = index / p.K.Columns, column = index % p.K.Columns;
        long target = Offset(p.Slots[row], column / p.HeadDim, p.NumKvHeads, p.HeadDim) + (column % p.HeadDim);
        p.Keys[target] = p.K[row, column];
        p.Values[target] = p.V[row, column];
    }

    /// <summary>Where a head of the position at <paramref name="slot"/> begins in [blocks, kv heads, block positions, head dim].</summary>
    internal static long Offset(int slot, int head, int numKvHeads, int headDim)
    {
        int block = slot / KvCacheShape.BlockSize, position = slot % KvCacheShape.BlockSize;
        return ((((long)block * numKvHeads) + head) * KvCacheShape.BlockSize + position) * headDim;
    }

    internal struct Parameters
    {
        public TensorView K;
        public TensorView V;
        public ArrayView<int> Slots;
        public ArrayView<float> Keys;
        public ArrayView<float> Values;
        public int NumKvHeads;
        public int HeadDim;
    }
}
