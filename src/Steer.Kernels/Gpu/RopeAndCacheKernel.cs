using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.RopeAndCache"/>: a group of threads for each head of a row, of q, then of k, then of v. It rotates pairs of columns in place
/// and writes the head to its slot, neighbouring threads neighbouring words.
/// </summary>
internal static class RopeAndCacheKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<Parameters>(RopeAndCache)];

    public static void Run(
        IlgpuDevice device, Tensor q, Tensor k, Tensor v, Tensor? angles, RopeLayout layout, ForwardBatch batch, IlgpuKvCache cache, int layer)
    {
        var parameters = new Parameters
        {
            Q = new TensorView(q),
            K = new TensorView(k),
            V = new TensorView(v),
            Angles = new TensorView(angles ?? q),
            Half = (angles?.Columns ?? 0) / 2,
            Interleaved = layout == RopeLayout.Interleaved ? 1 : 0,
            Slots = IlgpuDevice.View(batch.SlotMapping),
            Keys = cache.Keys(layer),
            Values = cache.Values(layer),
            // Without angles nothing happens to q.
            QueryHeads = angles is null ? 0 : q.Columns / cache.Shape.HeadDim,
        };
        int threads = cache.Shape.HeadDim <= 64 ? 32 : 64;
        device.LaunchGroups(
            RopeAndCache, new Index3D(q.Rows, parameters.QueryHeads + (2 * cache.Shape.NumKvHeads), 1), device.GroupSize(threads), parameters);
    }

    internal static void RopeAndCache(Parameters p)
    {
        LaunchOrder.LetNextBegin(p.Q.Rows);
        LaunchOrder.WaitForPrevious();
        var reduce = GroupReduce.Create();
        int row = Grid.IdxX, head = Grid.IdxY, headDim = p.Keys.HeadDim;
        if (head < p.QueryHeads)
        {
            Rotate(p, p.Q, row, head * headDim);
            return;
        }

        head -= p.QueryHeads;
        if (head < p.Keys.NumKvHeads)
        {
            Rotate(p, p.K, row, head * headDim);
            // Threads write what others have rotated.
            Group.Barrier();
            p.Keys.Write(reduce, p.Keys.Head(p.Slots[row], head), p.K, row, head * headDim);
            return;
        }

        head -= p.Keys.NumKvHeads;
        p.Values.Write(reduce, p.Values.Head(p.Slots[row], head), p.V, row, head * headDim);
    }

    private static void Rotate(Parameters p, TensorView x, int row, int start)
    {
        for (int pair = Group.IdxX; pair < p.Half; pair += Group.DimX)
        {
            int first = start + (p.Interleaved != 0 ? 2 * pair : pair);
            int second = p.Interleaved != 0 ? first + 1 : first + p.Half;
            float cos = p.Angles[row, pair], sin = p.Angles[row, p.Half + pair];
            float a = x[row, first], b = x[row, second];
            x[row, first] = KernelMath.FusedMultiplyAdd(a, cos, -b * sin);
            x[row, second] = KernelMath.FusedMultiplyAdd(b, cos, a * sin);
        }
    }

    internal struct Parameters
    {
        public TensorView Q;
        public TensorView K;
        public TensorView V;
        public TensorView Angles;

        /// <summary>Pairs of columns that rotate.</summary>
        public int Half;
        public int Interleaved;
        public ArrayView<int> Slots;
        public KvView Keys;
        public KvView Values;

        /// <summary>Heads of q that rotate.</summary>
        public int QueryHeads;
    }
}
