namespace Steer.Kernels.Tests.Reference;

/// <summary>The kernels that treat every number by itself.</summary>
internal static class ElementwiseReference
{
    /// <summary>scale * table[ids[r]], on top of y where that is given: two roundings.</summary>
    public static Expected Embed(Matrix table, ReadOnlySpan<int> ids, float scale, Matrix? y)
    {
        var result = new Expected(ids.Length, table.Columns);
        for (int r = 0; r < ids.Length; r++)
        {
            for (int c = 0; c < table.Columns; c++)
            {
                double value = (double)scale * table[ids[r], c];
                result.Set(r, c, value + (y?[r, c] ?? 0), 2 * Expected.Unit * Math.Abs(value));
            }
        }

        return result;
    }

    /// <summary>x + scale * delta: two roundings.</summary>
    public static Expected Add(Matrix x, Matrix delta, float scale)
    {
        var result = new Expected(x.Rows, x.Columns);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                double change = (double)scale * delta[r, c];
                result.Set(r, c, x[r, c] + change, Expected.Unit * Math.Abs(change));
            }
        }

        return result;
    }

    /// <summary>act(x), times the up half where gated: an error of the activation, and one rounding of the product.</summary>
    public static Expected Activate(Matrix x, Activation activation, bool gated)
    {
        int columns = gated ? x.Columns / 2 : x.Columns;
        var result = new Expected(x.Rows, columns);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < columns; c++)
            {
                (double value, double error) = Activate(activation, x[r, c]);
                double up = gated ? x[r, columns + c] : 1;
                result.Set(r, c, value * up, error * Math.Abs(up));
            }
        }

        return result;
    }

    /// <summary>
    /// scale * x, then cap * tanh(x / cap): the argument's two roundings, relative as tanh(x) is no steeper than tanh(x) / x, and the tangent's
    /// own error.
    /// </summary>
    public static Expected ScaleAndCap(Matrix x, float scale, float cap)
    {
        var result = new Expected(x.Rows, x.Columns);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                double scaled = (double)scale * x[r, c];
                double value = cap > 0 ? cap * Math.Tanh(scaled / cap) : scaled;
                // Small tangents may come from a difference of exponentials, which is good to a share of 1, not of the result.
                double error = cap > 0 ? (2 * Expected.Unit * Math.Abs(value)) + (Expected.Transcendental * cap) : 0;
                result.Set(r, c, value, error);
            }
        }

        return result;
    }

    private static (double Value, double Error) Activate(Activation activation, double x)
    {
        // Where 1 + erf or 1 + tanh cancels, its error is a share of 1, and so the result's a share of |x|; below -16 both are 0 in
        // float32 and nothing is left to cancel. An exponential that was kept from overflowing leaves at most |x| / 2^127 of a silu.
        double cancelled = Expected.Transcendental * (x < 0 ? Math.Min(-x, 16) : x);
        switch (activation)
        {
            case Activation.Silu:
                double silu = x / (1 + Math.Exp(-x));
                return (silu, (Expected.Transcendental * Math.Abs(silu)) + (x < 0 ? Math.ScaleB(-x, -126) : 0));
            case Activation.Gelu:
                return (0.5 * x * (1 + Erf(x / Math.Sqrt(2))), cancelled);
            case Activation.GeluTanh:
                return (0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x)))), cancelled);
            default:
                return (Math.Max(x, 0), 0);
        }
    }

    /// <summary>erf(x) = 2 / sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 * 3 * ... * (2n+1)): all terms have one sign.</summary>
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 6)
            return Math.Sign(x);
        double term = x, sum = x;
        for (int n = 1; Math.Abs(term) > 1e-17 * Math.Abs(sum); n++)
        {
            term *= 2 * x * x / ((2 * n) + 1);
            sum += term;
        }

        return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
    }
}
