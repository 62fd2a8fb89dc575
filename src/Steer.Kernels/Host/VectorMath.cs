using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>
/// Functions of vectors of float32. Eight lanes and fused multiply-adds everywhere: the same bits on every processor, wherever in a row a
/// number stands. Coefficients were fitted to the functions at Chebyshev nodes in 40-digit arithmetic; errors are relative and before rounding.
/// </summary>
internal static unsafe class VectorMath
{
    /// <summary>Numbers in a vector.</summary>
    public const int Lanes = 8;

    // exp(x) is normal and finite inside these bounds.
    private const float MinExponent = -87f;
    private const float MaxExponent = 88f;

    private const float Log2E = 1.44269504f;

    private const float Ln2 = 0.693147181f;

    // ln 2 in two parts: the upper has so few bits that its product with an exponent is exact.
    private const float Ln2Upper = 0.693359375f;
    private const float Ln2Lower = -2.12194440e-4f;

    // 1.5 * 2^23: adding it rounds to an integer, which then lies in the lowest bits.
    private const float RoundToInteger = 12582912f;

    /// <summary>exp(x) to about one unit in the last place; 0 below -87, exp(88) above 88.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> x)
    {
        // x = n ln 2 + r with |r| <= ln 2 / 2; the Taylor series of exp(r) to r^7 is right to 6e-9.
        var bounded = Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256.Create(MaxExponent)), Vector256.Create(MaxExponent), x);
        var rounded = Vector256.FusedMultiplyAdd(bounded, Vector256.Create(Log2E), Vector256.Create(RoundToInteger));
        var n = rounded - Vector256.Create(RoundToInteger);
        var r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2Upper), bounded);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-Ln2Lower), r);
        var p = Vector256.Create(1f / 5040);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 720));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 120));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 24));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1f / 6));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.5f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<float>.One);
        var scaled = (p.AsInt32() + (rounded.AsInt32() << 23)).AsSingle();
        return Vector256.AndNot(scaled, Vector256.LessThan(x, Vector256.Create(MinExponent)).AsSingle());
    }

    /// <summary>exp(x) of an x up to 0 as a number of bfloat16, 0.53 units of whose last place it may be off; 0 below -87.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ExpToBF16(Vector256<float> x)
    {
        // As above with a polynomial that is right to 1.0e-4. Multiplied by 2^16 + 1 and taken away again, what is left has the upper 8 bits
        // (Veltkamp).
        var rounded = Vector256.FusedMultiplyAdd(x, Vector256.Create(Log2E), Vector256.Create(RoundToInteger));
        var r = Vector256.FusedMultiplyAdd(rounded - Vector256.Create(RoundToInteger), Vector256.Create(-Ln2), x);
        var p = Vector256.Create(0.16767012f);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.50502228f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.99998493f));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.99992456f));
        var scaled = (p.AsInt32() + (rounded.AsInt32() << 23)).AsSingle();
        var all = Vector256.AndNot(scaled, Vector256.LessThan(x, Vector256.Create(MinExponent)).AsSingle());
        var split = all * Vector256.Create(65537f);
        return split - (split - all);
    }

    /// <summary>As <see cref="Exp(Vector256{float})"/>, with the same bits, on sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x)
    {
        var bounded = Vector512.ConditionalSelect(Vector512.GreaterThan(x, Vector512.Create(MaxExponent)), Vector512.Create(MaxExponent), x);
        var rounded = Vector512.FusedMultiplyAdd(bounded, Vector512.Create(Log2E), Vector512.Create(RoundToInteger));
        var n = rounded - Vector512.Create(RoundToInteger);
        var r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Upper), bounded);
        r = Vector512.FusedMultiplyAdd(n, Vector512.Create(-Ln2Lower), r);
        var p = Vector512.Create(1f / 5040);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 720));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 120));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 24));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1f / 6));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(0.5f));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<float>.One);
        var scaled = (p.AsInt32() + (rounded.AsInt32() << 23)).AsSingle();
        return Vector512.AndNot(scaled, Vector512.LessThan(x, Vector512.Create(MinExponent)).AsSingle());
    }

    /// <summary>tanh(x) to about two units in the last place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Tanh(Vector256<float> x)
    {
        // Below 1/2 an odd polynomial, 1.3e-9; above it 1 - 2 / (exp(2 |x|) + 1).
        var z = x * x;
        var p = Vector256.Create(-0.006942935f);
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(0.021470679f));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(-0.05393347f));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(0.13333225f));
        p = Vector256.FusedMultiplyAdd(p, z, Vector256.Create(-0.33333331f));
        var small = Vector256.FusedMultiplyAdd(p * z, x, x);
        var magnitude = Vector256.Abs(x);
        var large = Vector256<float>.One - (Vector256.Create(2f) / (Exp(magnitude + magnitude) + Vector256<float>.One));
        large = Vector256.ConditionalSelect(Vector256.Create(-0f), x, large);
        return Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(0.5f)), small, large);
    }

    /// <summary>The normal distribution's Phi(x), to about 1e-7 of itself near 0 and of exp(-x^2 / 2)'s rounding in the lower tail.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> NormalCdf(Vector256<float> x)
    {
        // With t = |x| and u = 1 / (1 + 0.2 t): the upper tail is exp(-t^2 / 2) u P(u), 1.3e-8 for t up to 14, where float32 ends.
        var t = Vector256.Abs(x);
        var u = Vector256<float>.One / Vector256.FusedMultiplyAdd(t, Vector256.Create(0.2f), Vector256<float>.One);
        var p = Vector256.Create(-0.039209146f);
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.124195807f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(-0.067531355f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.04612245f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.09783985f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.01693622f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.08972282f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.07172635f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.08044592f));
        p = Vector256.FusedMultiplyAdd(p, u, Vector256.Create(0.07975106f));
        var tail = Exp(t * t * Vector256.Create(-0.5f)) * u * p;
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), tail, Vector256<float>.One - tail);
    }

    /// <summary>Sum of the lanes, always in the same order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector256<float> x)
    {
        var four = x.GetLower() + x.GetUpper();
        return (four[0] + four[2]) + (four[1] + four[3]);
    }

    /// <summary>Largest lane; NaN where one is NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Max(Vector256<float> x)
    {
        var four = Vector128.Max(x.GetLower(), x.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }

    /// <summary>The first <paramref name="count"/> numbers of a vector at <paramref name="source"/>; the rest is 0, and not read.</summary>
    public static Vector256<float> LoadPart(float* source, int count)
    {
        var part = Vector256<float>.Zero;
        for (int i = 0; i < count; i++)
            part = part.WithElement(i, source[i]);
        return part;
    }

    /// <summary>Writes the first <paramref name="count"/> numbers.</summary>
    public static void StorePart(Vector256<float> value, float* destination, int count)
    {
        for (int i = 0; i < count; i++)
            destination[i] = value.GetElement(i);
    }
}
