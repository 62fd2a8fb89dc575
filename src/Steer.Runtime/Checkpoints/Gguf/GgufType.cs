namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// How a tensor of a GGUF file is stored; names and values are those of the file format. Blocks lie along a row: 32 numbers, or 256 that share
/// scales at two levels.
/// </summary>
public enum GgufType
{
    /// <summary>IEEE 754 single precision.</summary>
    F32 = 0,

    /// <summary>IEEE 754 half precision.</summary>
    F16 = 1,

    /// <summary>A scale, then 4 bits.</summary>
    Q4_0 = 2,

    /// <summary>A scale and a minimum, then 4 bits.</summary>
    Q4_1 = 3,

    /// <summary>A scale, then 5 bits.</summary>
    Q5_0 = 6,

    /// <summary>A scale and a minimum, then 5 bits.</summary>
    Q5_1 = 7,

    /// <summary>A scale in half precision, then 8 bits.</summary>
    Q8_0 = 8,

    /// <summary>Scales and minima for each 16 numbers, 2 bits.</summary>
    Q2_K = 10,

    /// <summary>A scale for each 16 numbers, 3 bits.</summary>
    Q3_K = 11,

    /// <summary>Scales and minima for each 32 numbers, 4 bits.</summary>
    Q4_K = 12,

    /// <summary>Scales and minima for each 32 numbers, 5 bits.</summary>
    Q5_K = 13,

    /// <summary>A scale for each 16 numbers, 6 bits.</summary>
    Q6_K = 14,

    /// <summary>Points of a lattice and signs, 2.06 bits.</summary>
    IQ2_XXS = 16,

    /// <summary>Points of a lattice and signs, 2.31 bits.</summary>
    IQ2_XS = 17,

    /// <summary>Points of a lattice and signs, 3.06 bits.</summary>
    IQ3_XXS = 18,

    /// <summary>Points of a lattice of three levels, 1.56 bits.</summary>
    IQ1_S = 19,

    /// <summary>A scale, then 4 bits that stand for uneven levels.</summary>
    IQ4_NL = 20,

    /// <summary>Points of a lattice and signs, 3.44 bits.</summary>
    IQ3_S = 21,

    /// <summary>Points of a lattice and signs, 2.56 bits.</summary>
    IQ2_S = 22,

    /// <summary>The levels of IQ4_NL, a scale for each 32 numbers.</summary>
    IQ4_XS = 23,

    /// <summary>Points of a lattice of three levels, 1.75 bits.</summary>
    IQ1_M = 29,

    /// <summary>Upper half of a float32.</summary>
    BF16 = 30,

    /// <summary>Three levels, five numbers to a byte.</summary>
    TQ1_0 = 34,

    /// <summary>Three levels, 2 bits.</summary>
    TQ2_0 = 35,

    /// <summary>A power of two, then 4-bit floats (OCP Microscaling Formats 1.0).</summary>
    MXFP4 = 39,
}

/// <summary>Sizes of the types.</summary>
internal static class GgufTypes
{
    /// <summary>Numbers in a block.</summary>
    public static int BlockLength(this GgufType type) => Block(type).Length;

    /// <summary>Bytes of a block.</summary>
    public static int BlockBytes(this GgufType type) => Block(type).Bytes;

    /// <summary>Bytes of this many numbers, whole blocks.</summary>
    public static long Bytes(this GgufType type, long count) => count / type.BlockLength() * type.BlockBytes();

    /// <summary>The number by which general.file_type names a file of F32, BF16 or Q8_0.</summary>
    public static uint FileType(this GgufType type) => type switch
    {
        GgufType.F32 => 0,
        GgufType.BF16 => 32,
        _ => 7,
    };

    private static (int Length, int Bytes) Block(GgufType type) => type switch
    {
        GgufType.F32 => (1, 4),
        GgufType.F16 => (1, 2),
        GgufType.Q4_0 => (32, 18),
        GgufType.Q4_1 => (32, 20),
        GgufType.Q5_0 => (32, 22),
        GgufType.Q5_1 => (32, 24),
        GgufType.Q8_0 => (32, 34),
        GgufType.Q2_K => (256, 84),
        GgufType.Q3_K => (256, 110),
        GgufType.Q4_K => (256, 144),
        GgufType.Q5_K => (256, 176),
        GgufType.Q6_K => (256, 210),
        GgufType.IQ2_XXS => (256, 66),
        GgufType.IQ2_XS => (256, 74),
        GgufType.IQ3_XXS => (256, 98),
        GgufType.IQ1_S => (256, 50),
        GgufType.IQ4_NL => (32, 18),
        GgufType.IQ3_S => (256, 110),
        GgufType.IQ2_S => (256, 82),
        GgufType.IQ4_XS => (256, 136),
        GgufType.IQ1_M => (256, 56),
        GgufType.BF16 => (1, 2),
        GgufType.TQ1_0 => (256, 54),
        GgufType.TQ2_0 => (256, 66),
        GgufType.MXFP4 => (32, 17),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type of the format."),
    };
}
