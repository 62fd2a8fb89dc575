using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The functions of the kernels, written out: what a backend puts in place of <see cref="MathF"/> differs from one to the next, and CUDA's is
/// an approximation good to 11 bits for tanh and 21 for sine and cosine. These are good to a few roundings everywhere.
/// </summary>
internal static partial class KernelMath
{
    private const float InverseLn2 = 1.44269504f, Ln2High = 0.693359375f, Ln2Low = -2.12194440e-4f;

    /// <summary>The larger number, the second where they do not compare.</summary>
    public static float Larger(float a, float b) => a > b ? a : b;

    /// <summary>e^x: x = n ln 2 + r with |r| below 0.35, and the series of e^r up to r^7, which leaves out 6e-9.</summary>
    public static float Exp(float x)
    {
        if (x > 89)
            return float.PositiveInfinity;
        if (x < -104)
            return 0;
        float scaled = x * InverseLn2;
        int n = (int)(scaled < 0 ? scaled - 0.5f : scaled + 0.5f);
        // The high part has so few bits that n times it is exact.
        float p = ExpSeries(FusedMultiplyAdd(-n, Ln2Low, FusedMultiplyAdd(-n, Ln2High, x)));
        // In two steps, as 2^n itself leaves the range of float32 where the result need not.
        int half = n / 2;
        return p * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    /// <summary>e^x as <see cref="Exp"/>, for x of at most 0, and 0 below -87: without a branch, for the many weights of a softmax.</summary>
    public static float ExpOfNegative(float x)
    {
        // 1.5 * 2^23 + 127: the sum's last bits are the whole number n plus the offset of an exponent.
        const float Shift = 12583039;
        float shifted = FusedMultiplyAdd(x, InverseLn2, Shift), n = shifted - Shift;
        float p = ExpSeries(FusedMultiplyAdd(-n, Ln2Low, FusedMultiplyAdd(-n, Ln2High, x)));
        float power = p * Interop.IntAsFloat(Interop.FloatAsInt(shifted) << 23);
        return x < -87 ? 0 : power;
    }

    /// <summary>tanh(x), to within a rounding of 1.</summary>
    public static float Tanh(float x)
    {
        float decay = Exp(-2 * MathF.Abs(x));
        float tanh = (1 - decay) / (1 + decay);
        return x < 0 ? -tanh : tanh;
    }

    /// <summary>
    /// The normal distribution function Phi(x). The tail 1 - Phi(z), z >= 0, is exp(-z^2 / 2) t P(t) with t = 1 / (1 + z / 4): P interpolates
    /// it at ten Chebyshev nodes of t in [0, 1], to within 7e-8 of the tail's own size. Nothing cancels for negative x.
    /// </summary>
    public static float NormalCdf(float x)
    {
        float z = MathF.Abs(x), t = 1 / (1 + (0.25f * z));
        float p = 0.020814888f;
        p = FusedMultiplyAdd(p, t, -0.085389227f);
        p = FusedMultiplyAdd(p, t, 0.103798859f);
        p = FusedMultiplyAdd(p, t, -0.039746862f);
        p = FusedMultiplyAdd(p, t, 0.068273999f);
        p = FusedMultiplyAdd(p, t, 0.05744626f);
        p = FusedMultiplyAdd(p, t, 0.081889624f);
        p = FusedMultiplyAdd(p, t, 0.093439512f);
        p = FusedMultiplyAdd(p, t, 0.0997373983f);
        p = FusedMultiplyAdd(p, t, 0.0997355580f);
        float tail = Exp(-0.5f * z * z) * t * p;
        return x < 0 ? tail : 1 - tail;
    }

    /// <summary>Quarter turns nearest to an angle in radians.</summary>
    public static double QuarterTurns(double angle) => Math.Floor((angle * (2 / Math.PI)) + 0.5);

    /// <summary>cos(quarterTurns * pi / 2 + rest) with |rest| at most pi / 4: one of the two series, up to rest^10.</summary>
    public static float Cos(double quarterTurns, float rest)
    {
        int quadrant = (int)((long)quarterTurns & 3);
        float square = rest * rest;
        float value = (quadrant & 1) == 0 ? CosSeries(square) : rest * SinSeries(square);
        return quadrant == 1 || quadrant == 2 ? -value : value;
    }

    private static float CosSeries(float square)
    {
        float p = -1f / 3628800;
        p = FusedMultiplyAdd(p, square, 1f / 40320);
        p = FusedMultiplyAdd(p, square, -1f / 720);
        p = FusedMultiplyAdd(p, square, 1f / 24);
        p = FusedMultiplyAdd(p, square, -0.5f);
        return FusedMultiplyAdd(p, square, 1);
    }

    // sin(x) / x in powers of x^2.
    private static float SinSeries(float square)
    {
        float p = 1f / 362880;
        p = FusedMultiplyAdd(p, square, -1f / 5040);
        p = FusedMultiplyAdd(p, square, 1f / 120);
        p = FusedMultiplyAdd(p, square, -1f / 6);
        return FusedMultiplyAdd(p, square, 1);
    }

    // e^r up to r^7.
    private static float ExpSeries(float r)
    {
        float p = 1f / 5040;
        p = FusedMultiplyAdd(p, r, 1f / 720);
        p = FusedMultiplyAdd(p, r, 1f / 120);
        p = FusedMultiplyAdd(p, r, 1f / 24);
        p = FusedMultiplyAdd(p, r, 1f / 6);
        p = FusedMultiplyAdd(p, r, 0.5f);
        p = FusedMultiplyAdd(p, r, 1);
        return FusedMultiplyAdd(p, r, 1);
    }

    private static float PowerOfTwo(int exponent) => Interop.IntAsFloat((uint)(exponent + 127) << 23);
}
