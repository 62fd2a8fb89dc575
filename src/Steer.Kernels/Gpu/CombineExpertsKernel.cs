using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>See <see cref="Device.CombineExperts"/>: one thread for each number of y.</summary>
internal static class CombineExpertsKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(CombineExperts)];

    public static void Run(IlgpuDevice device, Tensor x, Tensor weights, Tensor y)
    {
        var parameters = new Parameters { X = new TensorView(x), Weights = new TensorView(weights), Y = new TensorView(y) };
        device.Launch(CombineExperts, (long)y.Rows * y.Columns, parameters);
    }

    internal static void CombineExperts(Index1D index, Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns, k = p.Weights.Columns;
        float sum = 0;
        for (int j = 0; j < k; j++)
            sum = KernelMath.FusedMultiplyAdd(p.Weights[row, j], p.X[(row * k) + j, column], sum);
        p.Y[row, column] = sum;
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Weights;
        public TensorView Y;
    }
}
