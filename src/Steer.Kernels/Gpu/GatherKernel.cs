using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.Gather"/>: one thread for each number of y.</summary>
internal static class GatherKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(Gather)];

    public static void Run(IlgpuDevice device, Tensor x, DeviceBuffer<int> rows, Tensor y)
    {
        var parameters = new Parameters { X = new TensorView(x), Rows = IlgpuDevice.View(rows), Y = new TensorView(y) };
        device.Launch(Gather, (long)y.Rows * y.Columns, parameters);
    }

    internal static void Gather(Index1D index, Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns;
        p.Y[row, column] = p.X[p.Rows[row], column];
    }

    internal struct Parameters
    {
        public TensorView X;
        public ArrayView<int> Rows;
        public TensorView Y;
    }
}
