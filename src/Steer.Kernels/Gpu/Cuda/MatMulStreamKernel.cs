using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// A product with up to 16 rows, bound by memory. A warp makes one part of the sum of one tile of 16 columns. What a lane multiplies lies side by
/// side in memory and goes to its registers from there, a few stages ahead of the tensor cores; far ahead of that it is fetched to the second-level
/// cache, while the kernel before still runs too. The two warps of a group make the two parts of one tile, or where a sum is one part two tiles.
/// </summary>
internal static class MatMulStreamKernel
{
    /// <summary>Most tiles of 8 rows.</summary>
    public const int MaxRowTiles = 2;

    /// <summary>Most rows.</summary>
    public const int MaxRows = MaxRowTiles * PackedRows.TileRows;

    private const int WarpsPerGroup = 2;

    /// <summary>Stages in a lane's registers: as many as hide what the second-level cache takes to answer behind the tensor cores' steps.</summary>
    private const int Depth = 4;

    /// <summary>
    /// Words of its weights that a warp fetches ahead: with two warps to a multiprocessor twice what memory has on the way at full speed.
    /// </summary>
    private const int AheadWords = (32 << 10) / sizeof(uint);

    /// <summary>Sums of a tile of columns and one of rows.</summary>
    private const int TileSums = WeightLayout.TileRows * PackedRows.TileRows;

    /// <summary>Sums of a warp.</summary>
    private const int WarpSums = MaxRowTiles * TileSums;

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(MatMulStreamBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulStreamInt8, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulStreamInt4, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulStreamExactF32, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulStreamExactF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulStreamExactBF16, tensorCores: true),
    ];

    public static void Run(IlgpuDevice device, TensorProduct product, int rowTiles)
    {
        var parameters = new Parameters { Product = product, RowTiles = rowTiles };
        int tilesPerGroup = WarpsPerGroup / product.Splits, groups = (product.Tiles + tilesPerGroup - 1) / tilesPerGroup;
        Action<Parameters> body = product.Weight.Layout.Type switch
        {
            DType.F32 => MatMulStreamExactF32,
            DType.F16 => MatMulStreamExactF16,
            DType.BF16 => product.IsExact ? MatMulStreamExactBF16 : MatMulStreamBF16,
            DType.Int8 => MatMulStreamInt8,
            _ => MatMulStreamInt4,
        };
        device.LaunchGroups(
            body, new Index3D(groups, 1, 1), WarpsPerGroup * Warps.Size, parameters, device.ExchangeWords(WarpsPerGroup, WarpsPerGroup * WarpSums));
    }

    internal static void MatMulStreamBF16(Parameters p) => Stream<BF16Tile>(p);

    internal static void MatMulStreamInt8(Parameters p) => Stream<Int8Tile>(p);

    internal static void MatMulStreamInt4(Parameters p) => Stream<Int4Tile>(p);

    internal static void MatMulStreamExactF32(Parameters p) => Stream<ExactTile<ExactF32>>(p);

    internal static void MatMulStreamExactF16(Parameters p) => Stream<ExactTile<ExactF16>>(p);

    internal static void MatMulStreamExactBF16(Parameters p) => Stream<ExactTile<ExactBF16>>(p);

    private static void Stream<TFormat>(Parameters p)
        where TFormat : struct, ITileFormat
    {
        TFormat format = default;
        ArrayView<uint> shared = SharedMemory.GetDynamic<uint>();
        ArrayView<uint> exchange = shared.SubView(WarpsPerGroup * WarpSums);
        TensorProduct product = p.Product;
        int thread = Warps.KeptThread, lane = thread & (Warps.Size - 1), warp = thread >> 5;
        int part = product.Splits > 1 ? warp : 0, tile = product.Splits > 1 ? Grid.IdxX : (Grid.IdxX * WarpsPerGroup) + warp;
        // Behind the last tile of an odd number of them there is none: its work is done twice, and stored once.
        int kept = Math.Min(tile, product.Tiles - 1), first = product.PartStart(part), count = product.PartStart(part + 1) - first, last = count - 1;
        LaneSources sources = FindSources(format, p, kept, first, lane);

        // Weights are nobody's to write: they are fetched while the kernel that makes the activations runs.
        Prefetch(sources.Tile, 0, Math.Min(AheadWords, count * format.WeightWords), lane);
        if (format.HasScales != 0)
            Prefetch(sources.TileScales, 0, count * StagePlan.WeightScales, lane);
        LaunchOrder.WaitForPrevious();
        Stage a = Load(format, p.RowTiles, sources, 0), b = Load(format, p.RowTiles, sources, Math.Min(1, last));
        Stage c = Load(format, p.RowTiles, sources, Math.Min(2, last)), d = Load(format, p.RowTiles, sources, Math.Min(3, last));
        var sums = default(RowSums);
        int stage = 0;
        for (; stage + Depth <= count; stage += Depth)
        {
            int ahead = (stage * format.WeightWords) + AheadWords;
            Prefetch(sources.Tile, ahead, Math.Min(ahead + (Depth * format.WeightWords), count * format.WeightWords), lane);
            sums = Multiply(format, p.RowTiles, a, sums, exchange);
            a = Load(format, p.RowTiles, sources, Math.Min(stage + Depth, last));
            sums = Multiply(format, p.RowTiles, b, sums, exchange);
            b = Load(format, p.RowTiles, sources, Math.Min(stage + Depth + 1, last));
            sums = Multiply(format, p.RowTiles, c, sums, exchange);
            c = Load(format, p.RowTiles, sources, Math.Min(stage + Depth + 2, last));
            sums = Multiply(format, p.RowTiles, d, sums, exchange);
            d = Load(format, p.RowTiles, sources, Math.Min(stage + Depth + 3, last));
        }

        for (; stage < count; stage++)
        {
            sums = Multiply(format, p.RowTiles, a, sums, exchange);
            a = b;
            b = c;
        }

        Put(shared, warp * WarpSums, lane, sums.Low);
        if (p.RowTiles > 1)
            Put(shared, (warp * WarpSums) + TileSums, lane, sums.High);
        Group.Barrier();
        int column = (tile * WeightLayout.TileRows) + (lane & 15);
        if (product.Splits > 1)
        {
            for (int row = thread >> 4; row < product.RowCount; row += 4)
            {
                int place = (row * WeightLayout.TileRows) + (lane & 15);
                product.Store(row, column, Interop.IntAsFloat(shared[place]) + Interop.IntAsFloat(shared[WarpSums + place]));
            }
        }
        else
        {
            for (int row = lane >> 4; row < product.RowCount; row += 2)
                product.Store(row, column, Interop.IntAsFloat(shared[(warp * WarpSums) + (row * WeightLayout.TileRows) + (lane & 15)]));
        }
    }

    // Where a lane reads, at the first stage of its part.
    private static LaneSources FindSources<TFormat>(TFormat format, Parameters p, int tile, int first, int lane)
        where TFormat : struct, ITileFormat
    {
        TensorProduct product = p.Product;
        int stages = product.Weight.Layout.Steps;
        long place = ((long)tile * stages) + first;
        bool scaled = format.HasScales != 0;
        ArrayView<uint> weights = product.Weight.Words.SubView(place * format.WeightWords);
        ArrayView<uint> scales = scaled ? product.Weight.Scales.SubView(place * StagePlan.WeightScales) : weights;
        ArrayView<uint> rowScales = scaled ? product.RowScales.SubView((first * PackedRows.StageScales) + TileMemory.RowScaleOf(lane)) : weights;
        return new()
        {
            Tile = weights,
            TileScales = scales,
            Weights = weights.SubView(4 * lane),
            Scales = scales.SubView(TileMemory.ScaleOf(lane)),
            Rows = FindRows(format, product, 0, first, lane),
            HighRows = p.RowTiles == 1 ? weights : FindRows(format, product, 1, first, lane),
            RowScales = rowScales,
            HighRowScales = scaled && p.RowTiles > 1 ? rowScales.SubView((long)stages * PackedRows.StageScales) : weights,
        };
    }

    // Lanes of rows that are not there read the first row of their tile, which costs nothing; their sums are not stored.
    private static ArrayView<uint> FindRows<TFormat>(TFormat format, TensorProduct product, int rowTile, int first, int lane)
        where TFormat : struct, ITileFormat
    {
        int row = rowTile * PackedRows.TileRows, source = row + (lane >> 2) < product.RowCount ? lane : lane & 3;
        return product.Rows.SubView(format.Parts == 0
            ? ((((long)rowTile * product.Weight.Layout.Steps) + first) * PackedRows.StageWords) + (4 * source)
            : product.ExactRow(row + (source >> 2), first, 0, source));
    }

    // Begins to bring words [start, end) to the second-level cache: 32 bytes, which is what memory moves, for each lane.
    private static void Prefetch(ArrayView<uint> words, int start, int end, int lane)
    {
        for (int word = start + (WideMemory.PrefetchRun * lane); word < end; word += WideMemory.PrefetchRun * Warps.Size)
            WideMemory.Prefetch(words.Cast<float>(), word);
    }

    private static Stage Load<TFormat>(TFormat format, int rowTiles, LaneSources sources, int stage)
        where TFormat : struct, ITileFormat => new()
        {
            Weights = TileMemory.LoadStage(format, sources.Weights, sources.Scales, stage),
            Low = LoadRows(format, sources.Rows, sources.RowScales, stage),
            High = rowTiles == 1 ? default : LoadRows(format, sources.HighRows, sources.HighRowScales, stage),
        };

    private static StageRows LoadRows<TFormat>(TFormat format, ArrayView<uint> rows, ArrayView<uint> scales, int stage)
        where TFormat : struct, ITileFormat
    {
        const int StageScales = PackedRows.StageScales;
        if (format.Parts == 0)
        {
            return new()
            {
                Words = WideMemory.LoadGlobal(rows, stage * PackedRows.StageWords),
                Scales = format.HasScales == 0 ? default : WideMemory.LoadGlobal(scales, stage * StageScales),
                NextScales = format.HasScales == 0 ? default : WideMemory.LoadGlobal(scales, (stage * StageScales) + (StageScales / 2)),
            };
        }

        return new()
        {
            Words = WideMemory.LoadGlobal(rows, stage * TensorProduct.ExactStage),
            NextWords = WideMemory.LoadGlobal(rows, (stage * TensorProduct.ExactStage) + (TensorProduct.ExactStage / 2)),
        };
    }

    private static RowSums Multiply<TFormat>(TFormat format, int rowTiles, Stage stage, RowSums sums, ArrayView<uint> exchange)
        where TFormat : struct, ITileFormat
    {
        GroupWeights first = TileMemory.Weights(format, stage.Weights, 0), second = TileMemory.Weights(format, stage.Weights, 1);
        sums.Low = Multiply(format, first, second, stage.Low, sums.Low, exchange);
        if (rowTiles > 1)
            sums.High = Multiply(format, first, second, stage.High, sums.High, exchange);
        return sums;
    }

    private static Sums4 Multiply<TFormat>(
        TFormat format, GroupWeights firstWeights, GroupWeights secondWeights, StageRows rows, Sums4 sums, ArrayView<uint> exchange)
        where TFormat : struct, ITileFormat
    {
        GroupRows first = format.Rows(rows.Words, rows.Scales, 0);
        GroupRows second = format.Rows(format.Parts == 0 ? rows.Words : rows.NextWords, rows.NextScales, 1);
        return format.Parts > 0
            ? ExactTiles.MultiplyStage(format.Parts, firstWeights, first, secondWeights, second, sums, exchange)
            : format.Multiply(secondWeights, second, format.Multiply(firstWeights, first, sums, exchange), exchange);
    }

    // Lays a lane's sums out as [8 rows][16 columns].
    private static void Put(ArrayView<uint> shared, int start, int lane, Sums4 sums) =>
        TileMemory.Put(shared, start + ((lane & 3) * 2 * WeightLayout.TileRows) + (lane >> 2), WeightLayout.TileRows, sums);

    internal struct Parameters
    {
        public TensorProduct Product;

        /// <summary>Tiles of 8 rows of activations.</summary>
        public int RowTiles;
    }

    /// <summary>A stage in a lane's registers: the weights, and one or two tiles of activations.</summary>
    private struct Stage
    {
        public StageWeights Weights;
        public StageRows Low;
        public StageRows High;
    }

    /// <summary>A tile of 8 rows of activations: the words of both groups, or where they are exact of each, and the scales of both.</summary>
    private struct StageRows
    {
        public Words4 Words;
        public Words4 NextWords;
        public Words4 Scales;
        public Words4 NextScales;
    }

    /// <summary>A lane's sums of rows 0 to 7, and 8 to 15.</summary>
    private struct RowSums
    {
        public Sums4 Low;
        public Sums4 High;
    }

    /// <summary>What a lane reads, from its first stage on. A view that is not read is some other.</summary>
    private struct LaneSources
    {
        /// <summary>The tile from the first stage on, which a warp fetches together, and its scales.</summary>
        public ArrayView<uint> Tile;
        public ArrayView<uint> TileScales;

        /// <summary>The lane's own part of both.</summary>
        public ArrayView<uint> Weights;
        public ArrayView<uint> Scales;

        /// <summary>The lane's part of the tiles of activations.</summary>
        public ArrayView<uint> Rows;
        public ArrayView<uint> HighRows;
        public ArrayView<uint> RowScales;
        public ArrayView<uint> HighRowScales;
    }
}
