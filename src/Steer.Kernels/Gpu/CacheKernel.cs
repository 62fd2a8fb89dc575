using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Writes keys and values to the slots of their rows, see <see cref="Device.RopeAndCache"/>: one thread for each head of k.</summary>
internal static class CacheKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(Cache)];

    public static void Run(IlgpuDevice device, Tensor k, Tensor v, ForwardBatch batch, IlgpuKvCache cache, int layer)
    {
        var parameters = new Parameters
        {
            K = new TensorView(k),
            V = new TensorView(v),
            Slots = IlgpuDevice.View(batch.SlotMapping),
            Keys = cache.Keys(layer),
            Values = cache.Values(layer),
        };
        device.Launch(Cache, (long)k.Rows * cache.Shape.NumKvHeads, parameters);
    }

    internal static void Cache(Index1D index, Parameters p)
    {
        int row = index / p.Keys.NumKvHeads, head = index % p.Keys.NumKvHeads;
        long target = p.Keys.Head(p.Slots[row], head);
        p.Keys.Write(target, p.K, row, head * p.Keys.HeadDim);
        p.Values.Write(target, p.V, row, head * p.Keys.HeadDim);
    }

    internal struct Parameters
    {
        public TensorView K;
        public TensorView V;
        public ArrayView<int> Slots;
        public KvView Keys;
        public KvView Values;
    }
}
