using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// A product with more than 16 rows. A group of four warps makes 128 columns for 128 rows (64 where scales or parts take registers), or 64 columns for
/// 64 rows where those would be too few for the device; each warp makes a quarter. Weights and activations come to a ring of stages in shared memory by
/// asynchronous copies, one barrier to a stage. Where a sum is made in parts, each group makes one and <see cref="SumPartsKernel"/> adds them.
/// </summary>
internal static partial class MatMulTileKernel
{
    /// <summary>Most tiles of 8 rows of a group; there is room for a multiple of it in activations.</summary>
    public const int MaxRowTiles = 16;

    private const int WarpsPerGroup = 4;

    /// <summary>Words of shared memory that a group has for the asking.</summary>
    private const int RingWords = (48 << 10) / sizeof(uint);

    /// <summary>Words that all threads of a group copy at a time.</summary>
    private const int Stride = 4 * WarpsPerGroup * Warps.Size;

    /// <summary>Stages of a ring, where there is room for them.</summary>
    private const int MaxStages = 6;

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
        bool large = product.Weight.Layout.Type != DType.F32 && product.RowCount > 64 && Groups(product, 128, largeRows).Size >= multiprocessors / 2;
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
            body, large ? Groups(product, 128, largeRows) : Groups(product, 64, 64), WarpsPerGroup * Warps.Size, parameters,
            device.ExchangeWords(WarpsPerGroup, RingWords));
        if (numbers > 0)
            SumPartsKernel.Run(device, product, parameters.Parts);
    }

    internal static void MatMulTile64BF16(Parameters p) => Multiply<BF16Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64Int8(Parameters p) => Multiply<Int8Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64Int4(Parameters p) => Multiply<Int4Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64ExactF32(Parameters p) => Multiply<ExactF32Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64ExactF16(Parameters p) => Multiply<ExactF16Tile, Tile64, Sums8>(p);

    internal static void MatMulTile64ExactBF16(Parameters p) => Multiply<ExactBF16Tile, Tile64, Sums8>(p);

    internal static void MatMulTile128BF16(Parameters p) => Multiply<BF16Tile, Tile128, Sums32>(p);

    internal static void MatMulTile128Int8(Parameters p) => Multiply<Int8Tile, Tile128By64, Sums16>(p);

    internal static void MatMulTile128Int4(Parameters p) => Multiply<Int4Tile, Tile128By64, Sums16>(p);

    internal static void MatMulTile128ExactF16(Parameters p) => Multiply<ExactF16Tile, Tile128By64, Sums16>(p);

    internal static void MatMulTile128ExactBF16(Parameters p) => Multiply<ExactBF16Tile, Tile128By64, Sums16>(p);

    // How many groups make a product, each so many columns and rows of one part.
    private static Index3D Groups(TensorProduct product, int columns, int rows) => new(
        (product.RowCount + rows - 1) / rows, ((product.Tiles * WeightLayout.TileRows) + columns - 1) / columns, product.Splits);

    private static void Multiply<TFormat, TShape, TSums>(Parameters p)
        where TFormat : struct, ITileFormat
        where TShape : struct, ITileShape<TSums>
        where TSums : struct
    {
        TFormat format = default;
        TShape shape = default;
        var plan = new StagePlan(format.WeightWords, format.RowWords, format.HasScales, 2 * shape.Tiles, 2 * shape.RowTiles);
        ArrayView<uint> shared = SharedMemory.GetDynamic<uint>();
        ArrayView<uint> exchange = shared.SubView(RingWords);
        TensorProduct product = p.Product;
        int stages = Math.Min(MaxStages, RingWords / plan.Words), past = stages * plan.Words;
        int thread = Warps.KeptThread, lane = thread & (Warps.Size - 1), warp = thread >> 5;
        int tile = (warp & 1) * shape.Tiles, rowTile = (warp >> 1) * shape.RowTiles;
        int stage = product.PartStart(Grid.IdxZ), end = product.PartStart(Grid.IdxZ + 1), next = stage, target = 0, slot = 0;
        CopySources sources = Find(format, plan, product, thread);

        for (int ahead = 0; ahead < stages - 1; ahead++)
        {
            Copy(format, plan, product, sources, shared, target, next++, end, thread);
            target += plan.Words;
        }

        TSums sums = default;
        for (; stage < end; stage++)
        {
            WideMemory.WaitForAllBut(stages - 2);
            // Now the stage is there for all, and the one before it has been read by all: its place takes the next copies.
            Group.Barrier();
            Copy(format, plan, product, sources, shared, target, next++, end, thread);
            target = target + plan.Words == past ? 0 : target + plan.Words;
            sums = shape.Multiply(format, plan, shared, slot, tile, rowTile, lane, sums, exchange);
            slot = slot + plan.Words == past ? 0 : slot + plan.Words;
        }

        shape.Store(
            p, shared, ((Grid.IdxY * 2 * shape.Tiles) + tile) * WeightLayout.TileRows,
            ((Grid.IdxX * 2 * shape.RowTiles) + rowTile) * PackActivationsKernel.TileRows, sums);
    }

    // Where a thread's copies come from, at the first stage.
    private static CopySources Find<TFormat>(TFormat format, StagePlan plan, TensorProduct product, int thread)
        where TFormat : struct, ITileFormat
    {
        int tile = Grid.IdxY * plan.Tiles, rowTile = Grid.IdxX * plan.RowTiles, steps = product.Weight.Layout.Steps;
        bool scaled = format.HasScales != 0;
        return new()
        {
            Steps = steps,
            Weights = Find(product.Weight.Words, plan.Tiles, format.WeightWords, tile, steps, thread),
            Rows = format.Parts == 0 ? Find(product.Rows, plan.RowTiles, PackActivationsKernel.StageWords, rowTile, steps, thread) : product.Rows,
            Scales = scaled ? Find(product.Weight.Scales, plan.Tiles, StagePlan.WeightScales, tile, steps, thread) : product.Rows,
            RowScales = scaled ? Find(product.RowScales, plan.RowTiles, PackActivationsKernel.StageScales, rowTile, steps, thread) : product.Rows,
        };
    }

    private static ArrayView<uint> Find(ArrayView<uint> source, int tiles, int words, int firstTile, int steps, int thread)
    {
        int own = 4 * thread & ((tiles * words) - 1);
        return source.SubView(((long)(firstTile + (own / words)) * steps * words) + (own & (words - 1)));
    }

    // Begins to copy a stage of the group's weights and activations; nothing from the end on.
    private static void Copy<TFormat>(
        TFormat format, StagePlan plan, TensorProduct product, CopySources sources, ArrayView<uint> shared, int slot, int stage, int end, int thread)
        where TFormat : struct, ITileFormat
    {
        if (stage < end)
        {
            Copy(shared, slot, sources.Weights, plan.Tiles, format.WeightWords, sources.Steps, stage, thread);
            if (format.Parts == 0)
                Copy(shared, slot + plan.Rows, sources.Rows, plan.RowTiles, PackActivationsKernel.StageWords, sources.Steps, stage, thread);
            else
                CopyExact(plan, product, shared, slot + plan.Rows, stage, thread);
            if (format.HasScales != 0)
            {
                Copy(shared, slot + plan.Scales, sources.Scales, plan.Tiles, StagePlan.WeightScales, sources.Steps, stage, thread);
                Copy(shared, slot + plan.RowScales, sources.RowScales, plan.RowTiles, PackActivationsKernel.StageScales, sources.Steps, stage, thread);
            }
        }

        WideMemory.EndStage();
    }

    // Activations as they are, to [tiles][2 groups][32 lanes][16 bytes]. In the place of rows that are not there is the last, whose sums nobody stores again.
    private static void CopyExact(StagePlan plan, TensorProduct product, ArrayView<uint> shared, int target, int stage, int thread)
    {
        int group = (thread >> 5) & 1, lane = thread & (Warps.Size - 1);
        for (int start = 0; start < plan.RowTiles * plan.RowWords; start += Stride)
        {
            int tile = (Grid.IdxX * plan.RowTiles) + (thread >> 6) + (start / plan.RowWords);
            int row = Math.Min((tile * PackActivationsKernel.TileRows) + (lane >> 2), product.RowCount - 1);
            WideMemory.Copy(shared, target + (4 * thread) + start, product.Rows, product.ExactRow(row, stage, group, lane));
        }
    }

    // Of each of a number of tiles the words of one stage: powers of two. The next words of a thread are those at the same place of a later tile.
    private static void Copy(ArrayView<uint> shared, int target, ArrayView<uint> source, int tiles, int words, int steps, int stage, int thread)
    {
        if (4 * thread >= tiles * words)
            return;
        for (int start = 0; start < tiles * words; start += Stride)
            WideMemory.Copy(shared, target + (4 * thread) + start, source, (stage * words) + (start * steps));
    }

    internal struct Parameters
    {
        public TensorProduct Product;

        /// <summary>[parts, rows, columns of all tiles] where sums are made in parts.</summary>
        public ArrayView<float> Parts;

        public readonly void Store(int row, int column, float sum)
        {
            int columns = Product.Tiles * WeightLayout.TileRows;
            if (Product.Splits == 1)
                Product.Store(row, column, sum);
            else if (column < columns)
                Parts[((((long)Grid.IdxZ * Product.RowCount) + row) * columns) + column] = sum;
        }
    }

    private struct CopySources
    {
        public int Steps;
        public ArrayView<uint> Weights;
        public ArrayView<uint> Rows;
        public ArrayView<uint> Scales;
        public ArrayView<uint> RowScales;
    }
}
