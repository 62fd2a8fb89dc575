using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels;

/// <summary>
/// What <see cref="DType.Int8"/>, <see cref="DType.Int4"/> and 8-bit activations hold: the definition that every device's packing and products
/// follow. Numbers come in blocks of <see cref="BlockSize"/> along k; the last block of a row may be shorter. Scales and minima are bfloat16, rounded
/// outwards, so that the ends of a block can be reached.
/// </summary>
public static class BlockQuantizer
{
    /// <summary>Numbers that share a scale.</summary>
    public const int BlockSize = 32;

    /// <summary>Largest magnitude of an 8-bit number; -128 does not occur.</summary>
    public const int MaxInt8 = 127;

    /// <summary>Largest 4-bit number.</summary>
    public const int MaxInt4 = 15;

    /// <summary>Blocks in a row of <paramref name="k"/> numbers.</summary>
    public static int Blocks(int k) => (k + BlockSize - 1) / BlockSize;

    /// <summary>
    /// Int8: w = q * scale with scale = max |w| / 127 and q in [-127, 127], nearest even. Writes q and gives the scale as a bfloat16.
    /// </summary>
    /// <exception cref="InvalidDataException">A number is not finite.</exception>
    public static ushort Int8(ReadOnlySpan<float> block, Span<sbyte> q)
    {
        var (min, max) = Range(block);
        float magnitude = Math.Max(-min, max);
        RequireFinite(magnitude);
        ushort bits = RoundUp(magnitude / MaxInt8);
        Divide(block, 0, DTypeExtensions.WidenBF16(bits), -MaxInt8, MaxInt8, q);
        return bits;
    }

    /// <summary>
    /// Int4: w = minimum + q * scale with scale = (max w - minimum) / 15 and q in [0, 15], nearest even. Writes q, one to a byte, and gives scale and
    /// minimum as bfloat16.
    /// </summary>
    /// <exception cref="InvalidDataException">A number is not finite, or the block is wider than float32 can say.</exception>
    public static (ushort Scale, ushort Minimum) Int4(ReadOnlySpan<float> block, Span<byte> q)
    {
        var (min, max) = Range(block);
        RequireFinite(max - min);
        ushort minimumBits = RoundDown(min);
        float minimum = DTypeExtensions.WidenBF16(minimumBits);
        RequireFinite(max - minimum);
        ushort scaleBits = RoundUp((max - minimum) / MaxInt4);
        Divide(block, minimum, DTypeExtensions.WidenBF16(scaleBits), 0, MaxInt4, MemoryMarshal.Cast<byte, sbyte>(q));
        return (scaleBits, minimumBits);
    }

    /// <summary>
    /// 8-bit activations: x = q * scale with the float32 scale = max |x| / 127 and q in [-127, 127], nearest even. Writes q and gives the scale. A
    /// block that holds a NaN or an infinity gets a NaN as its scale, so that what comes of it is NaN too.
    /// </summary>
    public static float Activations(ReadOnlySpan<float> block, Span<sbyte> q)
    {
        var (min, max) = Range(block);
        float magnitude = Math.Max(-min, max);
        if (!float.IsFinite(magnitude))
        {
            q[..block.Length].Clear();
            return float.NaN;
        }

        float scale = magnitude / MaxInt8;
        Divide(block, 0, scale, -MaxInt8, MaxInt8, q);
        return scale;
    }

    // The least and the largest number; NaN where there is one.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Min, float Max) Range(ReadOnlySpan<float> block)
    {
        float min = float.PositiveInfinity, max = float.NegativeInfinity;
        if (block.Length == BlockSize)
        {
            Vector256<float> a = Lanes(block, 0), b = Lanes(block, 1), c = Lanes(block, 2), d = Lanes(block, 3);
            var least = Vector256.Min(Vector256.Min(a, b), Vector256.Min(c, d));
            var most = Vector256.Max(Vector256.Max(a, b), Vector256.Max(c, d));
            for (int i = 0; i < Vector256<float>.Count; i++)
            {
                min = Math.Min(min, least[i]);
                max = Math.Max(max, most[i]);
            }

            return (min, max);
        }

        foreach (float w in block)
        {
            min = Math.Min(min, w);
            max = Math.Max(max, w);
        }

        return (min, max);
    }

    // q = (w - origin) / scale to the nearest integer, ties to even, in [least, most]; 0 where the scale is.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Divide(ReadOnlySpan<float> block, float origin, float scale, int least, int most, Span<sbyte> q)
    {
        if (scale == 0)
        {
            q[..block.Length].Clear();
        }
        else if (block.Length == BlockSize)
        {
            var from = Vector256.Create(origin);
            var divisor = Vector256.Create(scale);
            var (low, high) = (Vector256.Create(least), Vector256.Create(most));
            var (a, b) = (Nearest(Lanes(block, 0), from, divisor, low, high), Nearest(Lanes(block, 1), from, divisor, low, high));
            var (c, d) = (Nearest(Lanes(block, 2), from, divisor, low, high), Nearest(Lanes(block, 3), from, divisor, low, high));
            Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).CopyTo(q);
        }
        else
        {
            for (int i = 0; i < block.Length; i++)
                q[i] = (sbyte)Math.Clamp((int)MathF.Round((block[i] - origin) / scale, MidpointRounding.ToEven), least, most);
        }
    }

    private static Vector256<float> Lanes(ReadOnlySpan<float> block, int vector) =>
        Vector256.Create(block.Slice(vector * Vector256<float>.Count, Vector256<float>.Count));

    private static Vector256<int> Nearest(
        Vector256<float> w, Vector256<float> origin, Vector256<float> scale, Vector256<int> least, Vector256<int> most) =>
        Vector256.Min(Vector256.Max(Vector256.ConvertToInt32(Vector256.Round((w - origin) / scale)), least), most);

    // The smallest bfloat16 that is not below the value.
    private static ushort RoundUp(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value), high = bits >> 16;
        return (ushort)(bits << 16 == 0 || value < 0 ? high : high + 1);
    }

    // The largest bfloat16 that is not above the value.
    private static ushort RoundDown(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value), high = bits >> 16;
        return (ushort)(bits << 16 == 0 || value >= 0 ? high : high + 1);
    }

    private static void RequireFinite(float extent)
    {
        if (!float.IsFinite(extent))
            throw new InvalidDataException("A number of a weight is infinite or NaN, which blocks of 8 or 4 bits cannot hold.");
    }
}
