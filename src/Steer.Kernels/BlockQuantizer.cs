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
        float max = 0;
        foreach (float w in block)
            max = Math.Max(max, Math.Abs(w));
        RequireFinite(max);
        ushort bits = RoundUp(max / MaxInt8);
        float scale = DTypeExtensions.WidenBF16(bits);
        for (int i = 0; i < block.Length; i++)
            q[i] = (sbyte)Math.Clamp(Nearest(block[i], scale), -MaxInt8, MaxInt8);
        return bits;
    }

    /// <summary>
    /// Int4: w = minimum + q * scale with scale = (max w - minimum) / 15 and q in [0, 15], nearest even. Writes q, one to a byte, and gives scale and
    /// minimum as bfloat16.
    /// </summary>
    /// <exception cref="InvalidDataException">A number is not finite, or the block is wider than float32 can say.</exception>
    public static (ushort Scale, ushort Minimum) Int4(ReadOnlySpan<float> block, Span<byte> q)
    {
        float min = float.PositiveInfinity, max = float.NegativeInfinity;
        foreach (float w in block)
        {
            min = Math.Min(min, w);
            max = Math.Max(max, w);
        }

        RequireFinite(max - min);
        ushort minimumBits = RoundDown(min);
        float minimum = DTypeExtensions.WidenBF16(minimumBits);
        RequireFinite(max - minimum);
        ushort scaleBits = RoundUp((max - minimum) / MaxInt4);
        float scale = DTypeExtensions.WidenBF16(scaleBits);
        for (int i = 0; i < block.Length; i++)
            q[i] = (byte)Math.Clamp(Nearest(block[i] - minimum, scale), 0, MaxInt4);
        return (scaleBits, minimumBits);
    }

    /// <summary>
    /// 8-bit activations: x = q * scale with the float32 scale = max |x| / 127 and q in [-127, 127], nearest even. Writes q and gives the scale. A
    /// block that holds a NaN or an infinity gets a NaN as its scale, so that what comes of it is NaN too.
    /// </summary>
    public static float Activations(ReadOnlySpan<float> block, Span<sbyte> q)
    {
        float max = 0;
        foreach (float x in block)
            max = Math.Max(max, Math.Abs(x));
        if (!float.IsFinite(max))
        {
            q[..block.Length].Clear();
            return float.NaN;
        }

        float scale = max / MaxInt8;
        for (int i = 0; i < block.Length; i++)
            q[i] = (sbyte)Math.Clamp(Nearest(block[i], scale), -MaxInt8, MaxInt8);
        return scale;
    }

    private static int Nearest(float value, float scale) => scale == 0 ? 0 : (int)MathF.Round(value / scale, MidpointRounding.ToEven);

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
