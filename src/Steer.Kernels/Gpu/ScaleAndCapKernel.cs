using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.ScaleAndCap"/>: one thread for each number of x.</summary>
internal static class ScaleAndCapKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(ScaleAndCap)];

    public static void Run(IlgpuDevice device, Tensor x, float scale, float cap) =>
        device.Launch(ScaleAndCap, (long)x.Rows * x.Columns, new Parameters { X = new TensorView(x), Scale = scale, Cap = cap });

    internal static void ScaleAndCap(Index1D index, Parameters p)
    {
        int row = index / p.X.Columns, column = index % p.X.Columns;
        float value = p.Scale * p.X[row, column];
        p.X[row, column] = p.Cap > 0 ? p.Cap * KernelMath.Tanh(value / p.Cap) : value;
    }

    internal struct Parameters
    {
        public TensorView X;
        public float Scale;
        public float Cap;
    }
}
