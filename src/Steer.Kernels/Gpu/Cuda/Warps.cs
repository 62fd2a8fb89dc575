using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>The warps of a group.</summary>
internal static class Warps
{
    /// <summary>Lanes of a warp; kernels that use warps need a device with this many.</summary>
    public const int Size = 32;

    /// <summary>Warp of this thread in its group.</summary>
    public static int Index => Group.IdxX >> 5;

    /// <summary>This thread in its warp.</summary>
    public static int Lane => Group.IdxX & (Size - 1);

    /// <summary>
    /// This thread in its group, from a register, for loops of few instructions: the assembler would read the special register anew each time, which
    /// takes longer than a step of a tensor core. What came by way of a shuffle it keeps.
    /// </summary>
    public static int KeptThread => Warp.Shuffle(Group.IdxX, Lane);
}
