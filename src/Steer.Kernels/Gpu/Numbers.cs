using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Stored numbers widened to float32, from the lowest bits of a word, and back.</summary>
internal static class Numbers
{
    /// <summary>A bfloat16; exact.</summary>
    public static float BF16(uint bits) => Interop.IntAsFloat(bits << 16);

    /// <summary>The bfloat16 in the upper half of a word; exact.</summary>
    public static float UpperBF16(uint word) => Interop.IntAsFloat(word & 0xFFFF0000u);

    /// <summary>
    /// A half, exact: its exponent and fraction as those of a float32 that is 2^112 times too small, which holds for subnormal numbers too.
    /// </summary>
    public static float F16(uint bits)
    {
        float magnitude = Interop.IntAsFloat((bits & 0x7FFF) << 13) * 5.192296858534828e33f;
        if (magnitude >= 65536)
            magnitude = Interop.IntAsFloat(0x7F800000 | ((bits & 0x3FF) << 13));
        return Interop.IntAsFloat(Interop.FloatAsInt(magnitude) | ((bits & 0x8000) << 16));
    }

    /// <summary>A number of an int8 block whose word has the scale in its lower half; exact.</summary>
    public static float Int8(uint bits, uint scale) => (sbyte)bits * BF16(scale);

    /// <summary>
    /// A number of an int4 block whose word has the scale in its lower and the minimum in its upper half: minimum + q * scale, rounded once.
    /// </summary>
    public static float Int4(uint bits, uint scale) => KernelMath.FusedMultiplyAdd(bits & 15, BF16(scale), UpperBF16(scale));

    /// <summary>The nearest bfloat16, ties to even; NaN stays NaN.</summary>
    public static uint ToBF16(float value)
    {
        uint bits = Interop.FloatAsInt(value);
        if ((bits & 0x7FFFFFFF) > 0x7F800000)
            return (bits >> 16) | 0x40;
        return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    }

    /// <summary>The nearest whole number, ties to even, of one below 2^22 in magnitude.</summary>
    public static int Nearest(float value)
    {
        // At 1.5 * 2^23 the steps of float32 are 1.
        const float Shift = 12582912;
        return (int)((value + Shift) - Shift);
    }
}
