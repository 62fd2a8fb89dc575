namespace Steer.Kernels;

/// <summary>How the numbers of a packed weight are stored. Activations and logits are always float32.</summary>
public enum DType
{
    /// <summary>IEEE 754 single precision, 4 bytes.</summary>
    F32,

    /// <summary>The upper half of a float32, 2 bytes; widened exactly by a shift.</summary>
    BF16,
}

/// <summary>Conversions between storage types and float32.</summary>
public static class DTypeExtensions
{
    /// <summary>Bytes that one number takes.</summary>
    public static int Size(this DType type) => type switch
    {
        DType.F32 => 4,
        DType.BF16 => 2,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Unknown storage type."),
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
