using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.MatMul"/>: one thread for each number of y, whose sum is one chain of fused multiply-adds over k.</summary>
internal static class MatMulKernel
{
    public static void Run(IlgpuDevice device, Tensor x, PackedWeight weight, DeviceBuffer<float>? bias, Tensor y)
    {
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Y = new TensorView(y),
            Weight = ((IlgpuWeight)weight).View,
            Bias = IlgpuDevice.ViewOrEmpty(bias),
            HasBias = bias is null ? 0 : 1,
        };
        device.Launch(Body, (long)y.Rows * y.Columns, parameters);
    }

    internal static void Body(Index1D index, Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns;
        float sum = Dot(p.X, row, p.Weight, column);
        p.Y[row, column] = p.HasBias != 0 ? sum + p.Bias[column] : sum;
    }

    /// <summary>Row <paramref name="row"/> of x times row <paramref name="weightRow"/> of a weight as wide as x.</summary>
    internal static float Dot(TensorView x, int row, WeightView weight, int weightRow)
    {
        long start = (long)weightRow * x.Columns;
        float sum = 0;
        for (int c = 0; c < x.Columns; c++)
            sum = KernelMath.FusedMultiplyAdd(x[row, c], weight[start + c], sum);
        return sum;
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public WeightView Weight;
        public ArrayView<float> Bias;
        public int HasBias;
    }
}
