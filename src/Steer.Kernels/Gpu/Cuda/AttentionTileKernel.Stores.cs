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
                Put(format, y, 0, sums.First.LowEven, sums.First.LowOdd, factors.LowKeep, factors.LowAdd, lowScale);
            if (second)
                Put(format, y, 4, sums.Second.LowEven, sums.Second.LowOdd, factors.LowKeep, factors.LowAdd, lowScale);
        }

        if (high.Row >= 0)
        {
            ArrayView<float> y = p.Attention.Y.From(high.Row, (high.Head * p.Attention.HeadDim) + d);
            if (first)
                Put(format, y, 0, sums.First.HighEven, sums.First.HighOdd, factors.HighKeep, factors.HighAdd, highScale);
            if (second)
                Put(format, y, 4, sums.Second.HighEven, sums.Second.HighOdd, factors.HighKeep, factors.HighAdd, highScale);
        }
    }

    // Columns 2t of four tiles from one on, and columns 2t + 1.
    private static void Put<TFormat>(
        TFormat format, ArrayView<float> y, int tile, Floats4 even, Floats4 odd, float keep, float add, float scale)
        where TFormat : struct, IKvFormat
    {
        int first = format.Column(tile), second = first + (format.ColumnsPerLane / 2);
        Put(y, first, even.X, keep, add, scale);
        Put(y, first + 1, even.Y, keep, add, scale);
        Put(y, first + 2, even.Z, keep, add, scale);
        Put(y, first + 3, even.W, keep, add, scale);
        Put(y, second, odd.X, keep, add, scale);
        Put(y, second + 1, odd.Y, keep, add, scale);
        Put(y, second + 2, odd.Z, keep, add, scale);
        Put(y, second + 3, odd.W, keep, add, scale);
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
