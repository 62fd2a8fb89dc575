namespace Steer.Kernels;

/// <summary>How numbers are stored. Activations between kernels and logits are always float32.</summary>
public enum DType
{
    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    F32,

    /// <summary>The upper half of a float32, 2 bytes; widened exactly by a shift.</summary>
    BF16,

    /// <summary>IEEE 754 half precision, 2 bytes; widened exactly.</summary>
    F16,

    /// <summary>8 bits a number and a scale for each block, see <see cref="BlockQuantizer"/>.</summary>
    Int8,

    /// <summary>4 bits a number, a scale and a minimum for each block, see <see cref="BlockQuantizer"/>.</summary>
    Int4,
}

/// <summary>Conversions between storage types and float32.</summary>
public static class DTypeExtensions
{
    /// <summary>As options and reports write it: f32, bf16, f16, int8, int4.</summary>
    public static string Name(this DType type) => type.ToString().ToLowerInvariant();

    /// <summary>Bytes that one number takes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A type that is stored in blocks: <see cref="BlockQuantizer"/> says what those take.</exception>
    public static int Size(this DType type) => type switch
    {
        DType.F32 => 4,
        DType.BF16 or DType.F16 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type of single numbers."),
    };

    /// <summary>Bytes of a weight's row of <paramref name="k"/> numbers, scales and minima included; devices may fill up what they hold.</summary>
    public static long RowBytes(this DType type, int k) => type switch
    {
        DType.Int8 => k + (sizeof(ushort) * (long)BlockQuantizer.Blocks(k)),
        DType.Int4 => ((k + 1L) / 2) + (2 * sizeof(ushort) * (long)BlockQuantizer.Blocks(k)),
        _ => (long)k * type.Size(),
    };

    /// <summary>Widens a bfloat16 to float32; exact.</summary>
    public static float WidenBF16(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>Rounds a float32 to the nearest bfloat16, ties to even; NaN stays NaN.</summary>
    public static ushort NarrowBF16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }
}
