using System.Runtime.Intrinsics;
using Steer.Kernels.Host.CodeGen;

namespace Steer.Kernels.Host;

/// <summary>What the CPU device multiplies with. Results are the same bits for all.</summary>
public enum InstructionSet
{
    /// <summary>The best that the processor has.</summary>
    Auto,

    /// <summary>Vectors of 128 bits: every processor.</summary>
    Vector128,

    /// <summary>Vectors of 256 bits (AVX2 and FMA).</summary>
    Avx2,

    /// <summary>Vectors of 512 bits (AVX-512 F, BW, CD, DQ, VL).</summary>
    Avx512,

    /// <summary>AVX-512 and the instructions that multiply bfloat16 (BF16) and bytes (VNNI), in tiles made at run time.</summary>
    Avx512Bf16Vnni,
}

/// <summary>What of it this processor has.</summary>
public static class InstructionSets
{
    /// <summary>All that can be asked for here, the best last.</summary>
    public static IReadOnlyList<InstructionSet> Supported { get; } =
        [.. Enum.GetValues<InstructionSet>().Where(s => s != InstructionSet.Auto && IsSupported(s))];

    private static bool IsSupported(InstructionSet set) => set switch
    {
        InstructionSet.Avx2 => Vector256.IsHardwareAccelerated,
        InstructionSet.Avx512 => Vector512.IsHardwareAccelerated,
        InstructionSet.Avx512Bf16Vnni => MachineTiles.HasBF16 && MachineTiles.HasVnni && MachineTiles.IsAllowed,
        _ => true,
    };
}
