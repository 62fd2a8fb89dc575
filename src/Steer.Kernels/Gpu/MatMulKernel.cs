using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.MatMul"/>, with exact activations: a thread makes one column of y for one or eight rows, each sum one chain of fused
/// multiply-adds over k. The lanes of a warp read the weight in one run of memory, 16 bytes each, and the same numbers of x.
/// </summary>
internal static class MatMulKernel
{
    /// <summary>Rows of a thread where there are enough.</summary>
    private const int RowsPerThread = 8;

    /// <param name="device">Where to run.</param>
    /// <param name="x">[rows, k].</param>
    /// <param name="weight">[n, k] in columns.</param>
    /// <param name="bias">[n], or null.</param>
    /// <param name="filter">Which rows of y are written, and from which rows of x they come.</param>
    /// <param name="y">[rows * filter.FanOut, n].</param>
    public static void Run(IlgpuDevice device, Tensor x, IlgpuWeight weight, DeviceBuffer<float>? bias, in RowFilter filter, Tensor y)
    {
        bool wide = y.Rows >= RowsPerThread / 2;
        int columns = (y.Columns + WeightLayout.ColumnRows - 1) / WeightLayout.ColumnRows * WeightLayout.ColumnRows;
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Y = new TensorView(y),
            Weight = weight.View,
            Bias = IlgpuDevice.ViewOrEmpty(bias),
            HasBias = bias is null ? 0 : 1,
            Filter = filter,
            Columns = columns,
        };
        long count = (long)columns * (wide ? (y.Rows + RowsPerThread - 1) / RowsPerThread : y.Rows);
        switch (weight.Type)
        {
            case DType.F32:
                device.Launch(wide ? MatMulRowsF32 : MatMulRowF32, count, parameters);
                break;
            case DType.BF16:
                device.Launch(wide ? MatMulRowsBF16 : MatMulRowBF16, count, parameters);
                break;
            case DType.F16:
                device.Launch(wide ? MatMulRowsF16 : MatMulRowF16, count, parameters);
                break;
            case DType.Int8:
                device.Launch(wide ? MatMulRowsInt8 : MatMulRowInt8, count, parameters);
                break;
            default:
                device.Launch(wide ? MatMulRowsInt4 : MatMulRowInt4, count, parameters);
                break;
        }
    }

    /// <summary>The kernels.</summary>
    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.Of<Parameters>(MatMulRowF32), KernelSource.Of<Parameters>(MatMulRowsF32),
        KernelSource.Of<Parameters>(MatMulRowBF16), KernelSource.Of<Parameters>(MatMulRowsBF16),
        KernelSource.Of<Parameters>(MatMulRowF16), KernelSource.Of<Parameters>(MatMulRowsF16),
        KernelSource.Of<Parameters>(MatMulRowInt8), KernelSource.Of<Parameters>(MatMulRowsInt8),
        KernelSource.Of<Parameters>(MatMulRowInt4), KernelSource.Of<Parameters>(MatMulRowsInt4),
    ];

    internal static void MatMulRowF32(Index1D index, Parameters p) => Row<F32Run>(index, p);

    internal static void MatMulRowsF32(Index1D index, Parameters p) => Rows<F32Run>(index, p);

    internal static void MatMulRowBF16(Index1D index, Parameters p) => Row<BF16Run>(index, p);

    internal static void MatMulRowsBF16(Index1D index, Parameters p) => Rows<BF16Run>(index, p);

    internal static void MatMulRowF16(Index1D index, Parameters p) => Row<F16Run>(index, p);

    internal static void MatMulRowsF16(Index1D index, Parameters p) => Rows<F16Run>(index, p);

    internal static void MatMulRowInt8(Index1D index, Parameters p) => Row<Int8Run>(index, p);

    internal static void MatMulRowsInt8(Index1D index, Parameters p) => Rows<Int8Run>(index, p);

    internal static void MatMulRowInt4(Index1D index, Parameters p) => Row<Int4Run>(index, p);

    internal static void MatMulRowsInt4(Index1D index, Parameters p) => Rows<Int4Run>(index, p);

    private static void Row<TRun>(Index1D index, Parameters p)
        where TRun : struct, IWeightRun
    {
        int row = index / p.Columns, column = index % p.Columns;
        if (column >= p.Y.Columns || !p.Filter.Includes(row))
            return;
        TRun run = default;
        int source = row / p.Filter.FanOut;
        float sum = 0;
        for (int step = 0; step < p.Weight.Layout.Steps; step++)
        {
            Words4 words = Words(p.Weight, column, step);
            int k = step * p.Weight.Layout.NumbersPerStep;
            for (int i = 0; i < run.Quads; i++)
            {
                Floats4 w = run.Quad(words, i, p.Weight, column, k);
                sum = Floats4.Dot(p.X.Load4(source, k + (4 * i)), w, sum);
            }
        }

        p.Store(row, column, sum);
    }

    private static void Rows<TRun>(Index1D index, Parameters p)
        where TRun : struct, IWeightRun
    {
        int row = index / p.Columns * RowsPerThread, column = index % p.Columns;
        if (column >= p.Y.Columns || !p.IncludesAny(row))
            return;
        TRun run = default;
        float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
        for (int step = 0; step < p.Weight.Layout.Steps; step++)
        {
            Words4 words = Words(p.Weight, column, step);
            int k = step * p.Weight.Layout.NumbersPerStep;
            for (int i = 0; i < run.Quads; i++, k += 4)
            {
                Floats4 w = run.Quad(words, i, p.Weight, column, k - (4 * i));
                a = Floats4.Dot(p.X.Load4(p.Source(row), k), w, a);
                b = Floats4.Dot(p.X.Load4(p.Source(row + 1), k), w, b);
                c = Floats4.Dot(p.X.Load4(p.Source(row + 2), k), w, c);
                d = Floats4.Dot(p.X.Load4(p.Source(row + 3), k), w, d);
                e = Floats4.Dot(p.X.Load4(p.Source(row + 4), k), w, e);
                f = Floats4.Dot(p.X.Load4(p.Source(row + 5), k), w, f);
                g = Floats4.Dot(p.X.Load4(p.Source(row + 6), k), w, g);
                h = Floats4.Dot(p.X.Load4(p.Source(row + 7), k), w, h);
            }
        }

        p.Store(row, column, a);
        p.Store(row + 1, column, b);
        p.Store(row + 2, column, c);
        p.Store(row + 3, column, d);
        p.Store(row + 4, column, e);
        p.Store(row + 5, column, f);
        p.Store(row + 6, column, g);
        p.Store(row + 7, column, h);
    }

    private static Words4 Words(WeightView weight, int column, int step) => WideMemory.LoadGlobal(
        weight.Words, (((((long)column / WeightLayout.ColumnRows) * weight.Layout.Steps) + step) * 128) + (column % WeightLayout.ColumnRows * 4));

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public WeightView Weight;
        public ArrayView<float> Bias;
        public int HasBias;
        public RowFilter Filter;
        public int Columns;

        /// <summary>The row of x from which a row of y comes; past the end, the last one's.</summary>
        public readonly int Source(int row) => Math.Min(row, Y.Rows - 1) / Filter.FanOut;

        /// <summary>Whether a thread has any row to write.</summary>
        public readonly bool IncludesAny(int row)
        {
            int end = Math.Min(row + RowsPerThread, Y.Rows);
            bool any = false;
            for (; row < end; row++)
                any |= Filter.Includes(row);
            return any;
        }

        public readonly void Store(int row, int column, float sum)
        {
            if (row < Y.Rows && Filter.Includes(row))
                Y[row, column] = HasBias != 0 ? sum + Bias[column] : sum;
        }
    }
}
