using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Packs activations for tensor cores, see <see cref="PackedRows"/>, where what made them did not: a thread for each unit of a row.
/// </summary>
internal static class PackActivationsKernel
{
    /// <summary>Threads of a group: few, so that one row's keep many multiprocessors busy.</summary>
    private const int Threads = 64;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<Parameters>(PackActivations)];

    public static void Run(IlgpuDevice device, Tensor x, PackedRows packed) => device.LaunchGroups(
        PackActivations, new Index3D(packed.Rows, (packed.Units + Threads - 1) / Threads, 1), device.GroupSize(Threads),
        new Parameters { X = new TensorView(x), Packed = packed });

    internal static void PackActivations(Parameters p)
    {
        LaunchOrder.LetNextBegin(p.X.Rows);
        LaunchOrder.WaitForPrevious();
        p.Packed.Pack(p.X, Grid.IdxX, Grid.IdxY * Threads, (Grid.IdxY + 1) * Threads);
    }

    internal struct Parameters
    {
        public TensorView X;
        public PackedRows Packed;
    }
}
