using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>Packs activations for tensor cores, see <see cref="PackedRows"/>, where what made them did not: one thread for each unit of a row.</summary>
internal static class PackActivationsKernel
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 8;

    /// <summary>Words of one stage of a tile.</summary>
    public const int StageWords = 128;

    /// <summary>Scales and scaled sums of one stage of a tile.</summary>
    public const int StageScales = WeightLayout.GroupsPerStage * TileRows * 2;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(PackActivations)];

    public static void Run(IlgpuDevice device, Tensor x, PackedRows packed) =>
        device.Launch(PackActivations, (long)packed.Rows * packed.Units, new Parameters { X = new TensorView(x), Packed = packed });

    internal static void PackActivations(Index1D index, Parameters p) => p.Packed.PackUnit(p.X, index / p.Packed.Units, index % p.Packed.Units);

    internal struct Parameters
    {
        public TensorView X;
        public PackedRows Packed;
    }
}
