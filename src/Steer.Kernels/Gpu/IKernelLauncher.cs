using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Runs kernels in place of ILGPU's accelerator, on whose memory they work: a card without a card, for tests.</summary>
internal interface IKernelLauncher
{
    /// <summary>How many groups run side by side at least.</summary>
    int NumMultiprocessors { get; }

    /// <summary>Most threads of a group.</summary>
    int MaxGroupSize { get; }

    /// <summary>Runs a kernel to its end.</summary>
    /// <param name="launch">What is launched.</param>
    /// <param name="parameters">The one structure of its parameters.</param>
    /// <param name="memory">Addresses that are taken.</param>
    void Launch(KernelLaunch launch, object parameters, IEnumerable<(long Start, long Bytes)> memory);
}

/// <summary>A launch.</summary>
/// <param name="Kernel">What is launched.</param>
/// <param name="Groups">Groups in each direction; of a kernel without groups X is the number of indices.</param>
/// <param name="GroupSize">Threads of a group; 0 where the kernel has none.</param>
/// <param name="DynamicBytes">Shared memory beside what the kernel declares.</param>
internal sealed record KernelLaunch(KernelSource Kernel, Index3D Groups, int GroupSize, int DynamicBytes);
