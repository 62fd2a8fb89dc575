using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.Norm"/> and <see cref="Device.AddNorm"/>: a group of threads for each group of columns of a row. The variance is taken around the
/// mean in a second pass, as the difference of mean square and squared mean would cancel.
/// </summary>
internal static class NormKernel
{
    /// <summary>Columns of a thread, about.</summary>
    private const int ColumnsPerThread = 8;

    private const int MaxThreads = 256;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<Parameters>(Norm)];

    /// <param name="device">Where to run.</param>
    /// <param name="x">[rows, columns].</param>
    /// <param name="delta">Added to x first, times <paramref name="deltaScale"/>; or null.</param>
    /// <param name="deltaScale">Multiplies delta.</param>
    /// <param name="weight">What to do.</param>
    /// <param name="y">[rows, columns].</param>
    public static void Run(IlgpuDevice device, Tensor x, Tensor? delta, float deltaScale, NormWeight weight, Tensor y)
    {
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Delta = new TensorView(delta ?? x),
            DeltaScale = deltaScale,
            HasDelta = delta is null ? 0 : 1,
            Y = new TensorView(y),
            Weight = IlgpuDevice.View(weight.Weight),
            Bias = IlgpuDevice.ViewOrEmpty(weight.Bias),
            Epsilon = weight.Epsilon,
            GroupSize = weight.GroupSize,
            Centred = weight.Kind == NormKind.Layer ? 1 : 0,
            HasBias = weight.Bias is null ? 0 : 1,
        };
        int threads = 32;
        while (threads < MaxThreads && threads * ColumnsPerThread < weight.GroupSize)
            threads *= 2;
        device.LaunchGroups(
            Norm, new Index3D(x.Columns / weight.GroupSize * x.Rows, 1, 1), device.GroupSize(threads), parameters);
    }

    internal static void Norm(Parameters p)
    {
        var reduce = GroupReduce.Create();
        int groups = p.X.Columns / p.GroupSize;
        int row = Grid.IdxX / groups, start = Grid.IdxX % groups * p.GroupSize, end = start + p.GroupSize;

        float sum = 0, squares = 0;
        for (int c = start + Group.IdxX; c < end; c += Group.DimX)
        {
            float x = p.X[row, c];
            if (p.HasDelta != 0)
            {
                x = KernelMath.FusedMultiplyAdd(p.DeltaScale, p.Delta[row, c], x);
                p.X[row, c] = x;
            }

            sum += x;
            squares = KernelMath.FusedMultiplyAdd(x, x, squares);
        }

        float mean = 0;
        if (p.Centred != 0)
        {
            mean = (float)reduce.Sum(sum) / p.GroupSize;
            squares = 0;
            for (int c = start + Group.IdxX; c < end; c += Group.DimX)
            {
                float centred = p.X[row, c] - mean;
                squares = KernelMath.FusedMultiplyAdd(centred, centred, squares);
            }
        }

        float factor = 1 / MathF.Sqrt(((float)reduce.Sum(squares) / p.GroupSize) + p.Epsilon);
        for (int c = start + Group.IdxX; c < end; c += Group.DimX)
        {
            float normalised = (p.X[row, c] - mean) * factor * p.Weight[c];
            p.Y[row, c] = p.HasBias != 0 ? normalised + p.Bias[c] : normalised;
        }
    }

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Delta;
        public float DeltaScale;
        public int HasDelta;
        public TensorView Y;
        public ArrayView<float> Weight;
        public ArrayView<float> Bias;
        public float Epsilon;
        public int GroupSize;
        public int Centred;
        public int HasBias;
    }
}
