using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>How sums are written.</content>
internal static partial class AttentionTileKernel
{
    // y = (y keep + sums add) * scale for the lane's numbers of 64 columns from d on.
    private static void Put<TFormat>(
        TFormat format, Parameters p, TensorAttention.Query low, TensorAttention.Query high, int d, int t, Sums16x64 sums,
        FoldFactors factors, float lowScale, float highScale)
        where TFormat : struct, IKvFormat
    {
        d += t * format.ColumnsPerLane;
        // The second half of a block is its last 32 columns, or as near as the first.
        bool first = d < p.Attention.HeadDim, second = d + format.Column(4) < p.Attention.HeadDim;
        if (low.Row >= 0)
        {
            ArrayView<float> y = p.Attention.Y.From(low.Row, (low.Head * p.Attention.HeadDim) + d);
            if (first)
                Put(format, y, 0, sums.First.A.X, sums.First.B.X, sums.First.C.X, sums.First.D.X, sums.First.A.Y, sums.First.B.Y, sums.First.C.Y, sums.First.D.Y, factors.LowKeep, factors.LowAdd, lowScale);
            if (second)
                Put(format, y, 4, sums.Second.A.X, sums.Second.B.X, sums.Second.C.X, sums.Second.D.X, sums.Second.A.Y, sums.Second.B.Y, sums.Second.C.Y, sums.Second.D.Y, factors.LowKeep, factors.LowAdd, lowScale);
        }

        if (high.Row >= 0)
        {
            ArrayView<float> y = p.Attention.Y.From(high.Row, (high.Head * p.Attention.HeadDim) + d);
            if (first)
                Put(format, y, 0, sums.First.A.Z, sums.First.B.Z, sums.First.C.Z, sums.First.D.Z, sums.First.A.W, sums.First.B.W, sums.First.C.W, sums.First.D.W, factors.HighKeep, factors.HighAdd, highScale);
            if (second)
                Put(format, y, 4, sums.Second.A.Z, sums.Second.B.Z, sums.Second.C.Z, sums.Second.D.Z, sums.Second.A.W, sums.Second.B.W, sums.Second.C.W, sums.Second.D.W, factors.HighKeep, factors.HighAdd, highScale);
        }
    }

    // Columns 2t of four tiles, and columns 2t + 1.
    private static void Put<TFormat>(
        TFormat format, ArrayView<float> y, int tile, float a, float b, float c, float d, float e, float f, float g, float h,
        float keep, float add, float scale)
        where TFormat : struct, IKvFormat
    {
        int first = format.Column(tile), second = first + (format.ColumnsPerLane / 2);
        Put(y, first, a, keep, add, scale);
        Put(y, first + 1, b, keep, add, scale);
        Put(y, first + 2, c, keep, add, scale);
        Put(y, first + 3, d, keep, add, scale);
        Put(y, second, e, keep, add, scale);
        Put(y, second + 1, f, keep, add, scale);
        Put(y, second + 2, g, keep, add, scale);
        Put(y, second + 3, h, keep, add, scale);
    }

    private static void Put(ArrayView<float> y, int column, float value, float keep, float add, float scale)
    {
        // Where nothing is kept nothing may have been written yet.
        float total = value * add;
        if (keep != 0)
            total = KernelMath.FusedMultiplyAdd(y[column], keep, total);
        y[column] = total * scale;
    }
}
