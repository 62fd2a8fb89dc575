using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>Every kernel there is, for those who compile them all: tests, and `steer kernels`.</summary>
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
