using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.Attention"/>: one thread for each row and query head. It walks the context once with a running maximum and sum
/// (online softmax: Milakov and Gimelshein, arXiv 1805.02867) and gathers the values in y.
/// </summary>
internal static class AttentionKernel
{
    public static void Run(
        IlgpuDevice device, Tensor q, IlgpuKvCache cache, int layer, ForwardBatch batch, AttentionParams attention, Tensor y)
    {
        int heads = q.Columns / cache.Shape.HeadDim;
        var parameters = new Parameters
        {
            Q = new TensorView(q),
            Y = new TensorView(y),
            Keys = cache.Keys(layer),
            Values = cache.Values(layer),
            Positions = IlgpuDevice.View(batch.Positions),
            RowContext = IlgpuDevice.View(batch.RowContext),
            BlockTables = IlgpuDevice.View(batch.BlockTables),
            AlibiSlopes = IlgpuDevice.ViewOrEmpty(attention.AlibiSlopes),
            BlockTableStride = batch.BlockTableStride,
            NumKvHeads = cache.Shape.NumKvHeads,
            HeadDim = cache.Shape.HeadDim,
            Scale = attention.Scale,
            SoftCap = attention.SoftCap,
            Window = attention.Window,
            HasAlibi = attention.AlibiSlopes is null ? 0 : 1,
        };
        device.Launch(Body, (long)q.Rows * heads, parameters);
    }

    internal static void Body(Index1D index, Parameters p)
    {
        int heads = p.Q.Columns / p.HeadDim;
        int row = index / heads, head = index % heads;
        int kvHead = head / (heads / p.NumKvHeads);
        int column = head * p.HeadDim;
        int last = p.Positions[row];
        int first = p.Window > 0 ? Math.Max(0, last - p.Window + 1) : 0;
        long table = (long)p.RowContext[row] * p.BlockTableStride;

        for (int d = 0; d < p.HeadDim; d++)
            p.Y[row, column + d] = 0;
        float maximum = float.NegativeInfinity, sum = 0;
        for (int position = first; position <= last; position++)
        {
            int block = p.BlockTables[table + (position / KvCacheShape.BlockSize)];
            int slot = (block * KvCacheShape.BlockSize) + (position % KvCacheShape.BlockSize);
            long key = CacheKernel.Offset(slot, kvHead, p.NumKvHeads, p.HeadDim);

            float score = 0;
            for (int d = 0; d < p.HeadDim; d++)
                score = KernelMath.FusedMultiplyAdd(p.Q[row, column + d], p.Keys[key + d], score);
            score *= p.Scale;
            if (p.HasAlibi != 0)
                score = KernelMath.FusedMultiplyAdd(p.AlibiSlopes[head], position, score);
            if (p.SoftCap > 0)
                score = p.SoftCap * KernelMath.Tanh(score / p.SoftCap);

            float newMaximum = MathF.Max(maximum, score);
            float decay = KernelMath.Exp(maximum - newMaximum), weight = KernelMath.Exp(score - newMaximum);
            maximum = newMaximum;
            sum = KernelMath.FusedMultiplyAdd(sum, decay, weight);
            for (int d = 0; d < p.HeadDim; d++)
                p.Y[row, column + d] = KernelMath.FusedMultiplyAdd(p.Y[row, column + d], decay, weight * p.Values[key + d]);
        }

        for (int d = 0; d < p.HeadDim; d++)
            p.Y[row, column + d] /= sum;
    }

    internal struct Parameters
    {
        public TensorView Q;
        public TensorView Y;
        public ArrayView<float> Keys;
        public ArrayView<float> Values;
        public ArrayView<int> Positions;
        public ArrayView<int> RowContext;
        public ArrayView<int> BlockTables;
        public ArrayView<float> AlibiSlopes;
        public int BlockTableStride;
        public int NumKvHeads;
        public int HeadDim;
        public float Scale;
        public float SoftCap;
        public int Window;
        public int HasAlibi;
    }
}
