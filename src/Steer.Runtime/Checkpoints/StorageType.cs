using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>Number types that a safetensors file may hold, by the names that its header gives them.</summary>
public enum StorageType
{
    /// <summary>Truth value, 1 byte.</summary>
    BOOL,

    /// <summary>Unsigned 8 bits.</summary>
    U8,

    /// <summary>Signed 8 bits.</summary>
    I8,

    /// <summary>8-bit float with 5 bits of exponent.</summary>
    F8_E5M2,

    /// <summary>8-bit float with 4 bits of exponent.</summary>
    F8_E4M3,

    /// <summary>Signed 16 bits.</summary>
    I16,

    /// <summary>Unsigned 16 bits.</summary>
    U16,

    /// <summary>IEEE 754 half precision.</summary>
    F16,

    /// <summary>Upper half of a float32.</summary>
    BF16,

    /// <summary>Signed 32 bits.</summary>
    I32,

    /// <summary>Unsigned 32 bits.</summary>
    U32,

    /// <summary>IEEE 754 single precision.</summary>
    F32,

    /// <summary>IEEE 754 double precision.</summary>
    F64,

    /// <summary>Signed 64 bits.</summary>
    I64,

    /// <summary>Unsigned 64 bits.</summary>
    U64,
}

/// <summary>Sizes and kinds of stored numbers.</summary>
internal static class StorageTypeExtensions
{
    /// <summary>Bytes that one number takes.</summary>
    public static int Size(this StorageType type) => type switch
    {
        StorageType.BOOL or StorageType.U8 or StorageType.I8 or StorageType.F8_E5M2 or StorageType.F8_E4M3 => 1,
        StorageType.I16 or StorageType.U16 or StorageType.F16 or StorageType.BF16 => 2,
        StorageType.I32 or StorageType.U32 or StorageType.F32 => 4,
        _ => 8,
    };

    /// <summary>Weights may be stored in it.</summary>
    public static bool IsWeight(this StorageType type) => type is StorageType.F32 or StorageType.F16 or StorageType.BF16;

    /// <summary>The type that holds weights stored in it as they are.</summary>
    public static DType ExactType(this StorageType type) => type switch
    {
        StorageType.F16 => DType.F16,
        StorageType.BF16 => DType.BF16,
        _ => DType.F32,
    };
}
