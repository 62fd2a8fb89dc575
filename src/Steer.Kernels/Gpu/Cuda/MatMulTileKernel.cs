using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// A product with more than 16 rows. A group of four warps makes 128 columns for 128 rows (64 where scales or parts take registers), or 64 columns
/// for 64 rows where those would be too few for the device; each warp makes a quarter. Weights and activations come to a ring of steps in shared
/// memory by asynchronous copies, two stages and one barrier to a step. Where a sum is made in parts, each group makes one and
/// <see cref="SumPartsKernel"/> adds them.
/// </summary>
internal static partial class MatMulTileKernel
{
    /// <summary>Most tiles of 8 rows of a group; there is room for a multiple of it in activations.</summary>
    public const int MaxRowTiles = 16;

    private const int WarpsPerGroup = 4;

    /// <summary>Stages of a step.</summary>
    private const int StagesPerStep = 2;

    /// <summary>Words of a ring: what a group can have on every card with such tensor cores, and two groups on those of data centres.</summary>
    private const int RingWords = (96 << 10) / sizeof(uint);

    /// <summary>Words that all threads of a group copy at a time.</summary>
    private const int Stride = 4 * WarpsPerGroup * Warps.Size;

    /// <summary>Steps of a ring, where there is room for them.</summary>
    private const int MaxSteps = 6;

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(MatMulTile64BF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile64Int8, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile64Int4, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile64ExactF32, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile64ExactF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile64ExactBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile128BF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile128Int8, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile128Int4, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile128ExactF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTile128ExactBF16, tensorCores: true),
    ];

    /// <param name="device">Where to run.</param>
    /// <param name="product">What to multiply.</param>
    /// <param name="multiprocessors">How many groups work at once.</param>
    public static void Run(IlgpuDevice device, TensorProduct product, int multiprocessors)
    {
        int largeRows = product.Weight.Layout.Type == DType.BF16 && !product.IsExact ? 128 : 64;
        // A float32 weight's three parts take too many registers for a large tile.
        bool large = product.Weight.Layout.Type != DType.F32 && product.RowCount > 64
            && Groups(product, largeRows, 128).Size >= multiprocessors / 2;
        long numbers = product.Splits > 1 ? (long)product.Splits * product.RowCount * product.Tiles * WeightLayout.TileRows : 0;
        var parameters = new Parameters
        {
            Product = product,
            Parts = numbers > 0 ? device.Scratch(ScratchUse.PartialSums, numbers).View : ArrayView<float>.Empty,
        };
        Action<Parameters> body = product.Weight.Layout.Type switch
        {
            DType.F32 => MatMulTile64ExactF32,
            DType.F16 => large ? MatMulTile128ExactF16 : MatMulTile64ExactF16,
            DType.BF16 when product.IsExact => large ? MatMulTile128ExactBF16 : MatMulTile64ExactBF16,
            DType.BF16 => large ? MatMulTile128BF16 : MatMulTile64BF16,
            DType.Int8 => large ? MatMulTile128Int8 : MatMulTile64Int8,
            _ => large ? MatMulTile128Int4 : MatMulTile64Int4,
        };
        device.LaunchGroups(
            body, large ? Groups(product, largeRows, 128) : Groups(product, 64, 64), WarpsPerGroup * Warps.Size, parameters,
            device.ExchangeWords(WarpsPerGroup, RingWords));
        if (numbers > 0)
            SumPartsKernel.Run(device, product, parameters.Parts);
    }

    internal static void MatMulTile64BF16(Parameters p) => Multiply<BF16Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64Int8(Parameters p) => Multiply<Int8Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64Int4(Parameters p) => Multiply<Int4Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64ExactF32(Parameters p) => Multiply<ExactTile<ExactF32>, Tile64, Sums8>(p);

    internal static void MatMulTile64ExactF16(Parameters p) => Multiply<ExactTile<ExactF16>, Tile64, Sums8>(p);

    internal static void MatMulTile64ExactBF16(Parameters p) => Multiply<ExactTile<ExactBF16>, Tile64, Sums8>(p);

    internal static void MatMulTile128BF16(Parameters p) => Multiply<BF16Tile, Tile128, Sums32>(p);

    internal static void MatMulTile128Int8(Parameters p) => Multiply<Int8Tile, Tile128By64, Sums16>(p);

    internal static void MatMulTile128Int4(Parameters p) => Multiply<Int4Tile, Tile128By64, Sums16>(p);

    internal static void MatMulTile128ExactF16(Parameters p) => Multiply<ExactTile<ExactF16>, Tile128By64, Sums16>(p);

    internal static void MatMulTile128ExactBF16(Parameters p) => Multiply<ExactTile<ExactBF16>, Tile128By64, Sums16>(p);

    // How many groups make a product, each so many rows and columns of one part.
    private static Index3D Groups(TensorProduct product, int rows, int columns) => new(
        (product.RowCount + rows - 1) / rows, ((product.Tiles * WeightLayout.TileRows) + columns - 1) / columns, product.Splits);

    private static void Multiply<TFormat, TShape, TSums>(Parameters p)
        where TFormat : struct, ITileFormat
        where TShape : struct, ITileShape<TSums>
        where TSums : struct
    {
        TFormat format = default;
        TShape shape = default;
        var plan = new StagePlan(
            format.WeightWords, format.RowWords, format.HasScales, StagesPerStep * 2 * shape.Tiles, StagesPerStep * 2 * shape.RowTiles);
        ArrayView<uint> shared = SharedMemory.GetDynamic<uint>();
        ArrayView<uint> exchange = shared.SubView(RingWords);
        TensorProduct product = p.Product;
        int steps = Math.Min(MaxSteps, RingWords / plan.Words), past = steps * plan.Words;
        int thread = Warps.KeptThread, lane = thread & (Warps.Size - 1), warp = thread >> 5;
        int tile = (warp & 1) * shape.Tiles, rowTile = (warp >> 1) * shape.RowTiles;
        int stage = product.PartStart(Grid.IdxZ), end = product.PartStart(Grid.IdxZ + 1), next = stage, target = 0, slot = 0;
        CopySources sources = FindSources(format, plan, product, thread);

        // Weights are nobody's to write: they are fetched while the kernel that makes the activations runs.
        for (int ahead = 0; ahead < steps - 1; ahead++)
            CopyWeights(format, plan, sources, shared, ahead * plan.Words, stage + (ahead * StagesPerStep), end, thread);
        LaunchOrder.WaitForPrevious();
        for (int ahead = 0; ahead < steps - 1; ahead++)
        {
            CopyRows(format, plan, product, sources, shared, target, next, end, thread);
            next += StagesPerStep;
            target += plan.Words;
        }

        TSums sums = default;
        for (; stage + 1 < end; stage += StagesPerStep)
        {
            WideMemory.WaitForAllBut(steps - 2);
            // Now the step is there for all, and the one before it has been read by all: its place takes the next copies.
            Group.Barrier();
            LaneStep step = FindStep(format, plan, shared, slot, tile, rowTile, lane);
            sums = shape.Multiply(format, step, 0, sums, exchange);
            CopyWeights(format, plan, sources, shared, target, next, end, thread);
            CopyRows(format, plan, product, sources, shared, target, next, end, thread);
            next += StagesPerStep;
            target = target + plan.Words == past ? 0 : target + plan.Words;
            sums = shape.Multiply(format, step, 1, sums, exchange);
            slot = slot + plan.Words == past ? 0 : slot + plan.Words;
        }

        // One stage is left where a part has an odd number. A condition in place of the loop would keep all sums twice.
        WideMemory.WaitForAllBut(steps - 2);
        Group.Barrier();
        for (; stage < end; stage++)
            sums = shape.Multiply(format, FindStep(format, plan, shared, slot, tile, rowTile, lane), 0, sums, exchange);
        int column = ((Grid.IdxY * 2 * shape.Tiles) + tile) * WeightLayout.TileRows;
        int row = ((Grid.IdxX * 2 * shape.RowTiles) + rowTile) * PackedRows.TileRows;
        shape.Store(p, shared, row, column, sums);
    }

    // Where in a step a lane reads: all else is at constant distances, which cost no instructions.
    private static LaneStep FindStep<TFormat>(TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int rowTile, int lane)
        where TFormat : struct, ITileFormat
    {
        tile *= StagesPerStep;
        rowTile *= StagesPerStep;
        return new()
        {
            Weights = shared.SubView(slot + (tile * format.WeightWords) + (4 * lane)),
            Rows = shared.SubView(slot + plan.Rows + (rowTile * format.RowWords) + (4 * lane)),
            Scales = format.HasScales != 0 ? shared.SubView(slot + plan.Scales + (tile * StagePlan.WeightScales) + TileMemory.ScaleOf(lane)) : shared,
            RowScales = format.HasScales != 0
                ? shared.SubView(slot + plan.RowScales + (rowTile * PackedRows.StageScales) + TileMemory.RowScaleOf(lane))
                : shared,
        };
    }

    // Where a thread's copies come from, at the first stage along k.
    private static CopySources FindSources<TFormat>(TFormat format, StagePlan plan, TensorProduct product, int thread)
        where TFormat : struct, ITileFormat
    {
        int tiles = plan.Tiles / StagesPerStep, rowTiles = plan.RowTiles / StagesPerStep, stages = product.Weight.Layout.Steps;
        int tile = Grid.IdxY * tiles, rowTile = Grid.IdxX * rowTiles;
        bool scaled = format.HasScales != 0;
        return new()
        {
            Stages = stages,
            Weights = FindOwn(product.Weight.Words, tiles, format.WeightWords, tile, stages, thread),
            Rows = format.Parts == 0 ? FindOwn(product.Rows, rowTiles, PackedRows.StageWords, rowTile, stages, thread) : product.Rows,
            Scales = scaled ? FindOwn(product.Weight.Scales, tiles, StagePlan.WeightScales, tile, stages, thread) : product.Rows,
            RowScales = scaled ? FindOwn(product.RowScales, rowTiles, PackedRows.StageScales, rowTile, stages, thread) : product.Rows,
        };
    }

    // A source from what a thread copies of its first step on.
    private static ArrayView<uint> FindOwn(ArrayView<uint> source, int tiles, int words, int firstTile, int stages, int thread)
    {
        int stepWords = StagesPerStep * words, own = 4 * thread & ((tiles * stepWords) - 1);
        return source.SubView(((long)(firstTile + (own / stepWords)) * stages * words) + (own & (stepWords - 1)));
    }

    // Begins to copy a step of the group's weights; nothing from the end on.
    private static void CopyWeights<TFormat>(
        TFormat format, StagePlan plan, CopySources sources, ArrayView<uint> shared, int slot, int stage, int end, int thread)
        where TFormat : struct, ITileFormat
    {
        if (stage >= end)
            return;
        Copy(shared, slot, sources.Weights, plan.Tiles, format.WeightWords, sources.Stages, stage, end, thread);
        if (format.HasScales != 0)
            Copy(shared, slot + plan.Scales, sources.Scales, plan.Tiles, StagePlan.WeightScales, sources.Stages, stage, end, thread);
    }

    // Begins to copy a step of activations, and ends what is to be waited for at once.
    private static void CopyRows<TFormat>(
        TFormat format, StagePlan plan, TensorProduct product, CopySources sources, ArrayView<uint> shared, int slot, int stage, int end, int thread)
        where TFormat : struct, ITileFormat
    {
        if (stage < end)
        {
            if (format.Parts == 0)
                Copy(shared, slot + plan.Rows, sources.Rows, plan.RowTiles, PackedRows.StageWords, sources.Stages, stage, end, thread);
            else
                CopyExact(plan, product, shared, slot + plan.Rows, stage, end, thread);
            if (format.HasScales != 0)
                Copy(shared, slot + plan.RowScales, sources.RowScales, plan.RowTiles, PackedRows.StageScales, sources.Stages, stage, end, thread);
        }

        WideMemory.EndStage();
    }

    // Activations as they are, to [tiles][stages][2 groups][32 lanes][16 bytes]. In the place of rows that are not there is the last, whose sums
    // nobody stores again.
    private static void CopyExact(StagePlan plan, TensorProduct product, ArrayView<uint> shared, int target, int stage, int end, int thread)
    {
        int ofStep = thread >> 6, group = (thread >> 5) & 1, lane = thread & (Warps.Size - 1);
        if (stage + ofStep >= end)
            return;
        for (int start = 0; start < plan.RowTiles * plan.RowWords; start += Stride)
        {
            int tile = (Grid.IdxX * (plan.RowTiles / StagesPerStep)) + (start / Stride);
            int row = Math.Min((tile * PackedRows.TileRows) + (lane >> 2), product.RowCount - 1);
            WideMemory.Copy(shared, target + (4 * thread) + start, product.Rows, product.ExactRow(row, stage + ofStep, group, lane));
        }
    }

    // Of each of a number of tiles the words of a step, stage by stage: powers of two. The next words of a thread are those at the same place of a
    // later tile, or of a later stage where one takes all threads.
    private static void Copy(
        ArrayView<uint> shared, int target, ArrayView<uint> source, int tileStages, int words, int stages, int stage, int end, int thread)
    {
        int stepWords = StagesPerStep * words, ofStep = (4 * thread & (stepWords - 1)) / words;
        if (tileStages * words < Stride && 4 * thread >= tileStages * words)
            return;
        ArrayView<uint> own = shared.SubView(target + (4 * thread)), from = source.SubView(stage * words);
        for (int start = 0; start < tileStages * words; start += Stride)
        {
            int inStep = start & (stepWords - 1);
            if (stage + ofStep + (inStep / words) < end)
                WideMemory.Copy(own, start, from, (start / stepWords * stages * words) + inStep);
        }
    }

    internal struct Parameters
    {
        public TensorProduct Product;

        /// <summary>[parts, rows, columns of all tiles] where sums are made in parts.</summary>
        public ArrayView<float> Parts;

        /// <summary>Columns that are stored.</summary>
        public readonly int Columns => Product.Splits > 1 ? Product.Tiles * WeightLayout.TileRows : Product.Y.Columns;

        /// <summary>Sums go to one place each: those of parts, and those of a product whose rows are all wanted.</summary>
        public readonly bool IsPlain => Product.Splits > 1 || Product.Filter.IncludesAll;

        /// <summary>Where a row of this group's part begins.</summary>
        public readonly ArrayView<float> Row(int row) => Product.Splits > 1
            ? Parts.SubView((((long)Grid.IdxZ * Product.RowCount) + row) * Columns)
            : Product.Y.Row(row);
    }

    /// <summary>Views of shared memory that begin where a lane's words do.</summary>
    private struct LaneStep
    {
        public ArrayView<uint> Weights;
        public ArrayView<uint> Rows;
        public ArrayView<uint> Scales;
        public ArrayView<uint> RowScales;
    }

    /// <summary>Where a thread's copies begin.</summary>
    private struct CopySources
    {
        /// <summary>From one tile to the next.</summary>
        public int Stages;
        public ArrayView<uint> Weights;
        public ArrayView<uint> Rows;
        public ArrayView<uint> Scales;
        public ArrayView<uint> RowScales;
    }
}
