using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.MatMulExperts"/>: a launch for each expert, one thread for each number of y; rows of other experts are left.
/// </summary>
internal static class MatMulExpertsKernel
{
    public static void Run(
        IlgpuDevice device, Tensor x, PackedWeight weight, int expert, DeviceBuffer<int> expertIds, int fanOut, Tensor y)
    {
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Y = new TensorView(y),
            Weight = ((IlgpuWeight)weight).View,
            ExpertIds = IlgpuDevice.View(expertIds),
            Expert = expert,
            FanOut = fanOut,
        };
        device.Launch(Body, (long)y.Rows * y.Columns, parameters);
    }

    internal static void Body(Index1D index, Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns;
        if (p.ExpertIds[row] == p.Expert)
            p.Y[row, column] = MatMulKernel.Dot(p.X, row / p.FanOut, p.Weight, column);
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public WeightView Weight;
        public ArrayView<int> ExpertIds;
        public int Expert;
        public int FanOut;
    }
}
