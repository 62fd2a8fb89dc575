using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>Every kernel there is, for those who compile them all: tests, and `steer kernels`.</summary>
/// <remarks>
/// <para>
/// How a kernel's file reads: what the host does to launch it (Run); the kernel, a static method of one structure of parameters and, where threads
/// know nothing of each other, an index; what it calls; and that structure. Flags in it are int, 1 or 0, as ILGPU hands no bool to a device. A kernel
/// for several formats is one generic body and a short entry for each, as ILGPU launches no generic method; what differs is members of a structure
/// without fields, which are constants by the time it is compiled.
/// </para>
/// <para>
/// A group is what CUDA calls a thread block and OpenCL a work-group. Where tensor cores are used, g and t are a lane's number divided by four and
/// the rest, as in the PTX ISA. Numbers that a thread holds together are fields, A to H: an array would lie in memory.
/// </para>
/// </remarks>
internal static class KernelCatalog
{
    public static IReadOnlyList<KernelSource> All { get; } =
    [
        .. ActivateKernel.Sources,
        .. AddKernel.Sources,
        .. AdvanceRowsKernel.Sources,
        .. AdvanceSequencesKernel.Sources,
        .. AttentionKernel.Sources,
        .. AttentionMergeKernel.Sources,
        .. AttentionStreamKernel.Sources,
        .. AttentionTileKernel.Sources,
        .. CombineExpertsKernel.Sources,
        .. EmbedKernel.Sources,
        .. GatherKernel.Sources,
        .. GuideAndSampleKernel.Sources,
        .. GuideLogSumsKernel.Sources,
        .. LoraDownKernel.Sources,
        .. LoraUpKernel.Sources,
        .. MatMulKernel.Sources,
        .. MatMulStreamKernel.Sources,
        .. MatMulTileKernel.Sources,
        .. NormKernel.Sources,
        .. PackActivationsKernel.Sources,
        .. RopeAndCacheKernel.Sources,
        .. RopeAnglesKernel.Sources,
        .. RoundActivationsKernel.Sources,
        .. RouteKernel.Sources,
        .. ScaleAndCapKernel.Sources,
        .. SumPartsKernel.Sources,
    ];
}
