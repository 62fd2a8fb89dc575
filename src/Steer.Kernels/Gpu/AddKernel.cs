using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.Add"/>: one thread for each number of x.</summary>
internal static class AddKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(Add)];

    public static void Run(IlgpuDevice device, Tensor x, Tensor delta, float deltaScale)
    {
        var parameters = new Parameters { X = new TensorView(x), Delta = new TensorView(delta), DeltaScale = deltaScale };
        device.Launch(Add, (long)x.Rows * x.Columns, parameters);
    }

    internal static void Add(Index1D index, Parameters p)
    {
        int row = index / p.X.Columns, column = index % p.X.Columns;
        p.X[row, column] = KernelMath.FusedMultiplyAdd(p.DeltaScale, p.Delta[row, column], p.X[row, column]);
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Delta;
        public float DeltaScale;
    }
}
