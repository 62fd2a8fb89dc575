using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.MatMul"/>, with activations in float32, where tensor cores do not make it: on devices without them, and for int8 and int4. A
/// group takes one or eight rows and a panel of 32 columns, and each of its warps a part of k: a thread makes one column, a chain of fused
/// multiply-adds over the part, and reads the weight in one run of memory with its neighbours, 16 bytes each, and the same numbers of x as they do.
/// Then the parts are added in order. The weight alone decides how many there are, so that a row's bits do not depend on the others.
/// </summary>
internal static class MatMulKernel
{
    /// <summary>Rows of a thread where there are enough.</summary>
    private const int RowsPerThread = 8;

    /// <summary>Most parts of k.</summary>
    private const int MaxSplits = 16;

    /// <summary>Warps that keep a GPU's memory busy, about: sixteen on each of 128 multiprocessors.</summary>
    private const int EnoughWarps = 2048;

    /// <summary>Runs of 16 bytes along k that a part has at least.</summary>
    private const int MinPartSteps = 8;

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(MatMulRowF32), KernelSource.OfGroups<Parameters>(MatMulRowsF32),
        KernelSource.OfGroups<Parameters>(MatMulRowBF16), KernelSource.OfGroups<Parameters>(MatMulRowsBF16),
        KernelSource.OfGroups<Parameters>(MatMulRowF16), KernelSource.OfGroups<Parameters>(MatMulRowsF16),
        KernelSource.OfGroups<Parameters>(MatMulRowInt8), KernelSource.OfGroups<Parameters>(MatMulRowsInt8),
        KernelSource.OfGroups<Parameters>(MatMulRowInt4), KernelSource.OfGroups<Parameters>(MatMulRowsInt4),
    ];

    /// <summary>
    /// Whether these activations can be read as they are: rows at multiples of 16 bytes, and as many columns as the weight's runs of 16 bytes.
    /// </summary>
    public static bool Reads(Tensor x, IlgpuWeight weight) => new TensorView(x).IsAligned && x.Columns % weight.View.Layout.NumbersPerStep == 0;

    /// <param name="device">Where to run.</param>
    /// <param name="x">[rows, k] that <see cref="Reads"/> holds for, or with zeros up to a multiple of 32 columns.</param>
    /// <param name="weight">[n, k] in columns.</param>
    /// <param name="bias">[n], or null.</param>
    /// <param name="filter">Which rows of y are written, and from which rows of x they come.</param>
    /// <param name="y">[rows * filter.FanOut, n].</param>
    public static void Run(IlgpuDevice device, Tensor x, IlgpuWeight weight, DeviceBuffer<float>? bias, in RowFilter filter, Tensor y)
    {
        bool wide = y.Rows >= RowsPerThread / 2;
        int panels = (y.Columns + WeightLayout.ColumnRows - 1) / WeightLayout.ColumnRows;
        var parameters = new Parameters
        {
            X = new TensorView(x),
            Y = new TensorView(y),
            Weight = weight.View,
            Bias = IlgpuDevice.ViewOrEmpty(bias),
            HasBias = bias is null ? 0 : 1,
            Filter = filter,
            Splits = Splits(panels, weight.View.Layout.Steps),
        };
        Action<Parameters> body = weight.Type switch
        {
            DType.F32 => wide ? MatMulRowsF32 : MatMulRowF32,
            DType.BF16 => wide ? MatMulRowsBF16 : MatMulRowBF16,
            DType.F16 => wide ? MatMulRowsF16 : MatMulRowF16,
            DType.Int8 => wide ? MatMulRowsInt8 : MatMulRowInt8,
            _ => wide ? MatMulRowsInt4 : MatMulRowInt4,
        };
        // Groups that share a panel are neighbours, so that it comes from memory once.
        var groups = new Index3D(wide ? (y.Rows + RowsPerThread - 1) / RowsPerThread : y.Rows, panels, 1);
        device.LaunchGroups(body, groups, device.GroupSize(parameters.Threads), parameters);
    }

    internal static void MatMulRowF32(Parameters p) => Row<F32Run>(p);

    internal static void MatMulRowsF32(Parameters p) => Rows<F32Run>(p);

    internal static void MatMulRowBF16(Parameters p) => Row<BF16Run>(p);

    internal static void MatMulRowsBF16(Parameters p) => Rows<BF16Run>(p);

    internal static void MatMulRowF16(Parameters p) => Row<F16Run>(p);

    internal static void MatMulRowsF16(Parameters p) => Rows<F16Run>(p);

    internal static void MatMulRowInt8(Parameters p) => Row<Int8Run>(p);

    internal static void MatMulRowsInt8(Parameters p) => Rows<Int8Run>(p);

    internal static void MatMulRowInt4(Parameters p) => Row<Int4Run>(p);

    internal static void MatMulRowsInt4(Parameters p) => Rows<Int4Run>(p);

    private static int Splits(int panels, int steps)
    {
        int splits = 1;
        while (splits < MaxSplits && panels * splits < EnoughWarps && 2 * splits * MinPartSteps <= steps)
            splits *= 2;
        return splits;
    }

    private static void Row<TRun>(Parameters p)
        where TRun : struct, IWeightRun
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(MaxSplits * WeightLayout.ColumnRows);
        int row = Grid.IdxX;
        if (!p.Filter.Includes(row))
            return; // the whole group
        for (int thread = Group.IdxX; thread < p.Threads; thread += Group.DimX)
        {
            int column = p.Column(thread), source = p.Source(row), end = p.PartStart((thread / WeightLayout.ColumnRows) + 1);
            float sum = 0;
            int step = p.PartStart(thread / WeightLayout.ColumnRows);
            // Four loads of the weight on their way together: there is little else to do.
            for (; step + 4 <= end; step += 4)
            {
                Words4 first = Words(p.Weight, column, step), second = Words(p.Weight, column, step + 1);
                Words4 third = Words(p.Weight, column, step + 2), fourth = Words(p.Weight, column, step + 3);
                sum = Add<TRun>(p, source, column, step, first, sum);
                sum = Add<TRun>(p, source, column, step + 1, second, sum);
                sum = Add<TRun>(p, source, column, step + 2, third, sum);
                sum = Add<TRun>(p, source, column, step + 3, fourth, sum);
            }

            for (; step < end; step++)
                sum = Add<TRun>(p, source, column, step, Words(p.Weight, column, step), sum);
            sums[thread] = sum;
        }

        Group.Barrier();
        p.AddParts(sums, row, 1);
    }

    // A row's sum with 16 bytes of the weight more.
    private static float Add<TRun>(Parameters p, int source, int column, int step, Words4 words, float sum)
        where TRun : struct, IWeightRun
    {
        TRun run = default;
        int k = step * 4 * run.Fours;
        for (int i = 0; i < run.Fours; i++)
            sum = Floats4.Dot(p.X.LoadAligned4(source, k + (4 * i)), run.Four(words, i, p.Weight, column, k), sum);
        return sum;
    }

    private static void Rows<TRun>(Parameters p)
        where TRun : struct, IWeightRun
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(RowsPerThread * MaxSplits * WeightLayout.ColumnRows);
        int row = Grid.IdxX * RowsPerThread;
        if (!p.IncludesAny(row))
            return; // the whole group
        TRun run = default;
        for (int thread = Group.IdxX; thread < p.Threads; thread += Group.DimX)
        {
            int column = p.Column(thread), end = p.PartStart((thread / WeightLayout.ColumnRows) + 1);
            float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
            int start = p.PartStart(thread / WeightLayout.ColumnRows);
            // One load of the weight ahead.
            Words4 next = start < end ? Words(p.Weight, column, start) : default;
            for (int step = start; step < end; step++)
            {
                Words4 words = next;
                next = Words(p.Weight, column, Math.Min(step + 1, end - 1));
                int k = step * 4 * run.Fours;
                for (int i = 0; i < run.Fours; i++, k += 4)
                {
                    Floats4 w = run.Four(words, i, p.Weight, column, k - (4 * i));
                    a = Floats4.Dot(p.X.LoadAligned4(p.Source(row), k), w, a);
                    b = Floats4.Dot(p.X.LoadAligned4(p.Source(row + 1), k), w, b);
                    c = Floats4.Dot(p.X.LoadAligned4(p.Source(row + 2), k), w, c);
                    d = Floats4.Dot(p.X.LoadAligned4(p.Source(row + 3), k), w, d);
                    e = Floats4.Dot(p.X.LoadAligned4(p.Source(row + 4), k), w, e);
                    f = Floats4.Dot(p.X.LoadAligned4(p.Source(row + 5), k), w, f);
                    g = Floats4.Dot(p.X.LoadAligned4(p.Source(row + 6), k), w, g);
                    h = Floats4.Dot(p.X.LoadAligned4(p.Source(row + 7), k), w, h);
                }
            }

            sums[thread] = a;
            sums[thread + p.Threads] = b;
            sums[thread + (2 * p.Threads)] = c;
            sums[thread + (3 * p.Threads)] = d;
            sums[thread + (4 * p.Threads)] = e;
            sums[thread + (5 * p.Threads)] = f;
            sums[thread + (6 * p.Threads)] = g;
            sums[thread + (7 * p.Threads)] = h;
        }

        Group.Barrier();
        p.AddParts(sums, row, RowsPerThread);
    }

    // 16 bytes of a column's run.
    private static Words4 Words(WeightView weight, int column, int step) => WideMemory.LoadConstant(
        weight.Words,
        ((((long)(column / WeightLayout.ColumnRows) * weight.Layout.Steps) + step) * WeightLayout.PieceWords)
            + ((column & (WeightLayout.ColumnRows - 1)) * 4));

    internal struct Parameters
    {
        public TensorView X;
        public TensorView Y;
        public WeightView Weight;
        public ArrayView<float> Bias;
        public int HasBias;
        public RowFilter Filter;

        /// <summary>Parts in which sums over k are made.</summary>
        public int Splits;

        /// <summary>Threads that make sums: a part of a column each.</summary>
        public readonly int Threads => Splits * WeightLayout.ColumnRows;

        /// <summary>The column of a thread.</summary>
        public readonly int Column(int thread) => (Grid.IdxY * WeightLayout.ColumnRows) + (thread & (WeightLayout.ColumnRows - 1));

        /// <summary>The first run of 16 bytes along k of a part, which is also the end of the part before.</summary>
        public readonly int PartStart(int part) => Weight.Layout.PartStart(part, Splits);

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

        /// <summary>Adds the parts [rows, parts, 32 columns] of the group's rows, and stores the sums.</summary>
        public readonly void AddParts(ArrayView<float> sums, int row, int rows)
        {
            for (int i = Group.IdxX; i < rows * WeightLayout.ColumnRows; i += Group.DimX)
            {
                int ofRow = i / WeightLayout.ColumnRows, start = (ofRow * Threads) + (i & (WeightLayout.ColumnRows - 1));
                float sum = sums[start];
                for (int part = 1; part < Splits; part++)
                    sum += sums[start + (part * WeightLayout.ColumnRows)];
                Store(row + ofRow, Column(i), sum);
            }
        }

        private readonly void Store(int row, int column, float sum)
        {
            if (row < Y.Rows && column < Y.Columns && Filter.Includes(row))
                Y[row, column] = HasBias != 0 ? sum + Bias[column] : sum;
        }
    }
}
