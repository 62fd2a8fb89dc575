using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.Norm"/>: one thread for each group of columns of a row. The variance is taken around the mean in a second pass,
/// as the difference of mean square and squared mean would cancel.
/// </summary>
internal static class NormKernel
{
    public static void Run(IlgpuDevice device, Tensor x, NormWeight weight, Tensor y)
    {
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Y = new TensorView(y),
            Weight = IlgpuDevice.View(weight.Weight),
            Bias = IlgpuDevice.ViewOrEmpty(weight.Bias),
            Epsilon = weight.Epsilon,
            GroupSize = weight.GroupSize,
            Centred = weight.Kind == NormKind.Layer ? 1 : 0,
            HasBias = weight.Bias is null ? 0 : 1,
        };
        device.Launch(Body, (long)x.Rows * (x.Columns / weight.GroupSize), parameters);
    }

    internal static void Body(Index1D index, Parameters p)
    {
        int groups = p.X.Columns / p.GroupSize;
        int row = index / groups;
        int start = index % groups * p.GroupSize, end = start + p.GroupSize;

        float mean = 0;
        if (p.Centred != 0)
        {
            for (int c = start; c < end; c++)
                mean += p.X[row, c];
            mean /= p.GroupSize;
        }

        float squares = 0;
        for (int c = start; c < end; c++)
        {
            float centred = p.X[row, c] - mean;
            squares = KernelMath.FusedMultiplyAdd(centred, centred, squares);
        }

        float factor = 1 / MathF.Sqrt((squares / p.GroupSize) + p.Epsilon);
        for (int c = start; c < end; c++)
        {
            float normalised = (p.X[row, c] - mean) * factor * p.Weight[c];
            p.Y[row, c] = p.HasBias != 0 ? normalised + p.Bias[c] : normalised;
        }
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public ArrayView<float> Weight;
        public ArrayView<float> Bias;
        public float Epsilon;
        public int GroupSize;
        public int Centred;
        public int HasBias;
    }
}
