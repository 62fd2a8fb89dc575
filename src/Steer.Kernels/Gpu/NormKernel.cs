using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.Norm"/> and <see cref="Device.AddNorm"/>: a group of threads for each group of columns of a row. The variance is taken
/// around the mean in a second pass, as the difference of mean square and squared mean would cancel. A thread takes four columns at once, as far
/// apart as the group has threads, so that their loads are on their way together.
/// </summary>
internal static class NormKernel
{
    /// <summary>Columns of a thread, about.</summary>
    private const int ColumnsPerThread = 4;

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
        int groups = x.Columns / weight.GroupSize;
        void Launch(PackedRows packed) => device.LaunchGroups(
            Norm, new Index3D(Math.Max(x.Rows, packed.Rows), groups, 1), device.GroupSize(threads), parameters with { Packed = packed });
        if (groups == 1)
            device.Defer(y, Launch);
        else
            Launch(default);
    }

    internal static void Norm(Parameters p)
    {
        LaunchOrder.LetNextBegin(p.X.Rows);
        int row = Grid.IdxX, start = Grid.IdxY * p.GroupSize, end = start + p.GroupSize;
        if (row == 0)
            Prefetch(p, start, end);
        LaunchOrder.WaitForPrevious();
        var reduce = GroupReduce.Create();
        if (row < p.X.Rows)
            Normalise(p, reduce, row, start, end);
        p.Packed.PackOwn(p.Y, row, 0, p.Packed.Columns);
    }

    // The weights, which all rows share, while the kernel before still runs: 32 bytes, which is what memory moves, for each thread.
    private static void Prefetch(Parameters p, int start, int end)
    {
        const int Run = WideMemory.PrefetchRun;
        for (int column = start + (Run * Group.IdxX); column < end; column += Run * Group.DimX)
        {
            WideMemory.Prefetch(p.Weight, column);
            if (p.HasBias != 0)
                WideMemory.Prefetch(p.Bias, column);
        }
    }

    private static void Normalise(Parameters p, GroupReduce reduce, int row, int start, int end)
    {
        float sum = 0, squares = 0;
        for (int c = start + Group.IdxX; c < end; c += 4 * Group.DimX)
        {
            var four = new FourColumns { Row = row, Column = c, End = end };
            Floats4 x = four.Load(p.X);
            if (p.HasDelta != 0)
            {
                x = Floats4.MultiplyAdd(p.DeltaScale, four.Load(p.Delta), x);
                four.Store(p.X, x);
            }

            x = four.Inside(x);
            sum += x.Sum;
            squares = Floats4.Dot(x, x, squares);
        }

        float mean = 0;
        if (p.Centred != 0)
        {
            mean = (float)reduce.Sum(sum) / p.GroupSize;
            squares = 0;
            for (int c = start + Group.IdxX; c < end; c += 4 * Group.DimX)
            {
                var four = new FourColumns { Row = row, Column = c, End = end };
                Floats4 centred = four.Inside(four.Load(p.X) - mean);
                squares = Floats4.Dot(centred, centred, squares);
            }
        }

        float factor = 1 / MathF.Sqrt(((float)reduce.Sum(squares) / p.GroupSize) + p.Epsilon);
        for (int c = start + Group.IdxX; c < end; c += 4 * Group.DimX)
        {
            var four = new FourColumns { Row = row, Column = c, End = end };
            Floats4 y = (four.Load(p.X) - mean) * factor * four.Load(p.Weight);
            four.Store(p.Y, p.HasBias != 0 ? y + four.Load(p.Bias) : y);
        }
    }

    /// <summary>Up to four columns of a row, as far apart as the group has threads; past the end, the last one.</summary>
    private struct FourColumns
    {
        public int Row;
        public int Column;
        public int End;

        public readonly Floats4 Load(TensorView x) => new() { X = x[Row, Column], Y = x[Row, At(1)], Z = x[Row, At(2)], W = x[Row, At(3)] };

        public readonly Floats4 Load(ArrayView<float> x) => new() { X = x[Column], Y = x[At(1)], Z = x[At(2)], W = x[At(3)] };

        /// <summary>Zeros in place of what is past the end.</summary>
        public readonly Floats4 Inside(Floats4 x) => new()
        {
            X = x.X,
            Y = Column + Group.DimX < End ? x.Y : 0,
            Z = Column + (2 * Group.DimX) < End ? x.Z : 0,
            W = Column + (3 * Group.DimX) < End ? x.W : 0,
        };

        public readonly void Store(TensorView y, Floats4 numbers)
        {
            y[Row, Column] = numbers.X;
            if (Column + Group.DimX < End)
                y[Row, Column + Group.DimX] = numbers.Y;
            if (Column + (2 * Group.DimX) < End)
                y[Row, Column + (2 * Group.DimX)] = numbers.Z;
            if (Column + (3 * Group.DimX) < End)
                y[Row, Column + (3 * Group.DimX)] = numbers.W;
        }

        private readonly int At(int i) => Math.Min(Column + (i * Group.DimX), End - 1);
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
        public PackedRows Packed;
    }
}
