namespace Steer.Kernels.Tests.Reference;

/// <summary>y = x W^T + bias.</summary>
internal static class MatMulReference
{
    public static Expected Run(Matrix x, Matrix weight, float[]? bias = null)
    {
        var y = new Expected(x.Rows, weight.Rows);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < weight.Rows; c++)
            {
                (double sum, double error) = Dot(x.Row(r), weight.Row(c));
                double shift = bias?[c] ?? 0;
                y.Set(r, c, sum + shift, error);
            }
        }

        return y;
    }

    /// <summary>A sum of k products, and the bound k u sum |x| |w| on a chain of k fused multiply-adds (one more for what follows).</summary>
    public static (double Sum, double Error) Dot(ReadOnlySpan<float> x, ReadOnlySpan<float> weight)
    {
        double sum = 0, magnitude = 0;
        for (int i = 0; i < x.Length; i++)
        {
            sum += (double)x[i] * weight[i];
            magnitude += Math.Abs((double)x[i] * weight[i]);
        }

        return (sum, (x.Length + 1) * Expected.Unit * magnitude);
    }

    /// <summary>The one order of additions that the contract allows on the CPU device, to the bit.</summary>
    public static Matrix Exact(Matrix x, Matrix weight)
    {
        var y = new Matrix(x.Rows, weight.Rows);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < weight.Rows; c++)
            {
                for (int i = 0; i < x.Columns; i++)
                    y[r, c] = MathF.FusedMultiplyAdd(x[r, i], weight[c, i], y[r, c]);
            }
        }

        return y;
    }
}
