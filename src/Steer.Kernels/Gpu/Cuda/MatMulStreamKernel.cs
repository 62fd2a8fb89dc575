using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// A product with up to 16 rows, bound by memory. A warp makes one part of the sum of one tile of 16 columns: weights and activations come to a ring of stages of
/// its own in shared memory by asynchronous copies, as many as there is room for, so that enough of the weight is on the way at any time. The two warps of a
/// group make the two parts of one tile, or where a sum is one part two tiles.
/// </summary>
internal static class MatMulStreamKernel
{
    /// <summary>Most tiles of 8 rows.</summary>
    public const int MaxRowTiles = 2;

    /// <summary>Most rows.</summary>
    public const int MaxRows = MaxRowTiles * PackActivationsKernel.TileRows;

    private const int WarpsPerGroup = 2;

    /// <summary>Words of a warp's ring: half of what a group has for the asking.</summary>
    private const int RingWords = (48 << 10) / sizeof(uint) / WarpsPerGroup;

    /// <summary>Sums of a tile of columns and one of rows.</summary>
    private const int TileSums = WeightLayout.TileRows * PackActivationsKernel.TileRows;

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
            body, new Index3D(groups, 1, 1), WarpsPerGroup * Warps.Size, parameters, device.ExchangeWords(WarpsPerGroup, WarpsPerGroup * RingWords));
    }

    internal static void MatMulStreamBF16(Parameters p) => Stream<BF16Tile>(p);

    internal static void MatMulStreamInt8(Parameters p) => Stream<Int8Tile>(p);

    internal static void MatMulStreamInt4(Parameters p) => Stream<Int4Tile>(p);

    internal static void MatMulStreamExactF32(Parameters p) => Stream<ExactF32Tile>(p);

    internal static void MatMulStreamExactF16(Parameters p) => Stream<ExactF16Tile>(p);

    internal static void MatMulStreamExactBF16(Parameters p) => Stream<ExactBF16Tile>(p);

    private static void Stream<TFormat>(Parameters p)
        where TFormat : struct, ITileFormat
    {
        TFormat format = default;
        ArrayView<uint> shared = SharedMemory.GetDynamic<uint>();
        ArrayView<uint> exchange = shared.SubView(WarpsPerGroup * RingWords);
        TensorProduct product = p.Product;
        int thread = Warps.KeptThread, lane = thread & (Warps.Size - 1), warp = thread >> 5;
        int part = product.Splits > 1 ? warp : 0, tile = product.Splits > 1 ? Grid.IdxX : (Grid.IdxX * WarpsPerGroup) + warp;
        int next = product.PartStart(part), end = product.PartStart(part + 1), stages = end - next;
        int start = warp * RingWords, slot = start;
        CopySources sources = Find(format, p, tile, lane);
        int slotWords = Plan(format, p.RowTiles).Words, past = start + (slotWords * (p.RowTiles == 1 ? Stages(format, 1) : Stages(format, 2)));

        // Weights are nobody's to write: they are fetched while the kernel that makes the activations runs.
        int ahead = next;
        do
        {
            CopyWeights(format, p.RowTiles, sources, shared, slot, ahead++, end, lane);
            slot += slotWords;
        }
        while (slot < past);
        LaunchOrder.WaitForPrevious();
        slot = start;
        do
        {
            CopyActivations(format, p.RowTiles, sources, shared, slot, next++, end, lane);
            slot += slotWords;
        }
        while (slot < past);

        Sums4 low = default, high = default;
        slot = start;
        WaitForFirst(format, p.RowTiles);
        StageWords words = Load(format, p.RowTiles, shared, slot, lane);
        for (int stage = 0; stage < stages; stage++)
        {
            // The next stage is read while the tensor cores work on this one. Behind the last there is none: what is read there is not used.
            int following = slot + slotWords == past ? start : slot + slotWords;
            WaitForSecond(format, p.RowTiles);
            StageWords nextWords = Load(format, p.RowTiles, shared, following, lane);
            low = Multiply(format, words, words.Low, low, exchange);
            if (p.RowTiles > 1)
                high = Multiply(format, words, words.High, high, exchange);
            CopyWeights(format, p.RowTiles, sources, shared, slot, next, end, lane);
            CopyActivations(format, p.RowTiles, sources, shared, slot, next++, end, lane);
            words = nextWords;
            slot = following;
        }

        // All copies have been waited for, so that the rings take the sums.
        Put(shared, start, lane, low);
        if (p.RowTiles > 1)
            Put(shared, start + TileSums, lane, high);
        Group.Barrier();
        if (product.Splits > 1)
        {
            for (int row = thread >> 4; row < product.RowCount; row += 4)
            {
                int place = (row * WeightLayout.TileRows) + (lane & 15);
                float sum = Interop.IntAsFloat(shared[place]) + Interop.IntAsFloat(shared[RingWords + place]);
                product.Store(row, (tile * WeightLayout.TileRows) + (lane & 15), sum);
            }
        }
        else
        {
            for (int row = lane >> 4; row < product.RowCount; row += 2)
            {
                float sum = Interop.IntAsFloat(shared[start + (row * WeightLayout.TileRows) + (lane & 15)]);
                product.Store(row, (tile * WeightLayout.TileRows) + (lane & 15), sum);
            }
        }
    }

    private static StagePlan Plan<TFormat>(TFormat format, int rowTiles)
        where TFormat : struct, ITileFormat => new(format.WeightWords, format.RowWords, format.HasScales, 1, rowTiles);

    // Stages of a ring.
    private static int Stages<TFormat>(TFormat format, int rowTiles)
        where TFormat : struct, ITileFormat => RingWords / Plan(format, rowTiles).Words;

    // Waits for the first stage of a ring that has just been filled. What is waited for is a constant of each instruction.
    private static void WaitForFirst<TFormat>(TFormat format, int rowTiles)
        where TFormat : struct, ITileFormat
    {
        if (rowTiles == 1)
            WideMemory.WaitForAllBut(Stages(format, 1) - 1);
        else
            WideMemory.WaitForAllBut(Stages(format, 2) - 1);
        ShareScales(format);
    }

    // Waits for the second stage in the ring.
    private static void WaitForSecond<TFormat>(TFormat format, int rowTiles)
        where TFormat : struct, ITileFormat
    {
        if (rowTiles == 1)
            WideMemory.WaitForAllBut(Stages(format, 1) - 2);
        else
            WideMemory.WaitForAllBut(Stages(format, 2) - 2);
        ShareScales(format);
    }

    // A lane reads what it copied itself, but for scales.
    private static void ShareScales<TFormat>(TFormat format)
        where TFormat : struct, ITileFormat
    {
        if (format.HasScales != 0)
            Warp.Barrier();
    }

    // Where a lane's copies come from, at the first stage.
    private static CopySources Find<TFormat>(TFormat format, Parameters p, int tile, int lane)
        where TFormat : struct, ITileFormat
    {
        TensorProduct product = p.Product;
        int steps = product.Weight.Layout.Steps;
        long place = (long)tile * steps;
        bool scaled = format.HasScales != 0;
        return new()
        {
            Weights = product.Weight.Words.SubView((place * format.WeightWords) + (4 * lane)),
            Rows = FindRows(format, product, 0, lane),
            HighRows = p.RowTiles == 1 ? product.Rows : FindRows(format, product, 1, lane),
            Scales = scaled ? product.Weight.Scales.SubView((place * StagePlan.WeightScales) + (4 * (lane & 7))) : product.Rows,
            RowScales = scaled ? product.RowScales.SubView(4 * (lane & 7)) : product.Rows,
            HighRowScales = scaled && p.RowTiles > 1
                ? product.RowScales.SubView(((long)steps * PackActivationsKernel.StageScales) + (4 * (lane & 7)))
                : product.Rows,
        };
    }

    // Lanes of rows that are not there copy the first row of their tile, which costs nothing; their sums are not stored.
    private static ArrayView<uint> FindRows<TFormat>(TFormat format, TensorProduct product, int rowTile, int lane)
        where TFormat : struct, ITileFormat
    {
        int first = rowTile * PackActivationsKernel.TileRows, source = first + (lane >> 2) < product.RowCount ? lane : lane & 3;
        return product.Rows.SubView(format.Parts == 0
            ? ((long)rowTile * product.Weight.Layout.Steps * PackActivationsKernel.StageWords) + (4 * source)
            : product.ExactRow(first + (source >> 2), 0, 0, source));
    }

    // Begins to copy a stage of the weight; nothing from the end on.
    private static void CopyWeights<TFormat>(TFormat format, int rowTiles, CopySources sources, ArrayView<uint> shared, int slot, int stage, int end, int lane)
        where TFormat : struct, ITileFormat
    {
        if (stage >= end)
            return;
        int own = slot + (4 * lane);
        for (int word = 0; word < format.WeightWords; word += 4 * Warps.Size)
            WideMemory.Copy(shared, own + word, sources.Weights, (stage * format.WeightWords) + word);
        if (format.HasScales != 0 && lane < 8)
            WideMemory.Copy(shared, own + Plan(format, rowTiles).Scales, sources.Scales, stage * StagePlan.WeightScales);
    }

    // Begins to copy a stage of activations, and ends what is to be waited for at once.
    private static void CopyActivations<TFormat>(TFormat format, int rowTiles, CopySources sources, ArrayView<uint> shared, int slot, int stage, int end, int lane)
        where TFormat : struct, ITileFormat
    {
        const int RowScales = PackActivationsKernel.StageScales;
        if (stage < end)
        {
            StagePlan plan = Plan(format, rowTiles);
            int own = slot + (4 * lane);
            CopyRows(format, shared, own + plan.Rows, sources.Rows, stage);
            if (rowTiles > 1)
                CopyRows(format, shared, own + plan.Rows + format.RowWords, sources.HighRows, stage);
            if (format.HasScales != 0 && lane < 8)
            {
                WideMemory.Copy(shared, own + plan.RowScales, sources.RowScales, stage * RowScales);
                if (rowTiles > 1)
                    WideMemory.Copy(shared, own + plan.RowScales + RowScales, sources.HighRowScales, stage * RowScales);
            }
        }

        WideMemory.EndStage();
    }

    // What a lane of a tile of rows reads: its words of both groups, or its four numbers of either.
    private static void CopyRows<TFormat>(TFormat format, ArrayView<uint> shared, int target, ArrayView<uint> source, int stage)
        where TFormat : struct, ITileFormat
    {
        if (format.Parts == 0)
        {
            WideMemory.Copy(shared, target, source, stage * PackActivationsKernel.StageWords);
            return;
        }

        WideMemory.Copy(shared, target, source, stage * TensorProduct.ExactStage);
        WideMemory.Copy(shared, target + (format.RowWords / 2), source, (stage * TensorProduct.ExactStage) + (TensorProduct.ExactStage / 2));
    }

    private static StageWords Load<TFormat>(TFormat format, int rowTiles, ArrayView<uint> shared, int slot, int lane)
        where TFormat : struct, ITileFormat
    {
        StagePlan plan = Plan(format, rowTiles);
        ArrayView<uint> weights = shared.SubView(slot + (4 * lane)), scales = shared.SubView(slot + plan.Scales + TileWords.ScaleOf(lane));
        return new()
        {
            A = format.Load(weights, scales, 0),
            B = format.Load(weights, scales, 1),
            Low = LoadRows(format, plan, shared, slot, 0, lane),
            High = rowTiles == 1 ? default : LoadRows(format, plan, shared, slot, 1, lane),
        };
    }

    private static StageRows LoadRows<TFormat>(TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int rowTile, int lane)
        where TFormat : struct, ITileFormat
    {
        ArrayView<uint> words = shared.SubView(slot + plan.Rows + (rowTile * format.RowWords) + (4 * lane));
        ArrayView<uint> scales = shared.SubView(slot + plan.RowScales + (rowTile * PackActivationsKernel.StageScales) + TileWords.RowScaleOf(lane));
        return new()
        {
            WordsA = TileWords.LoadRows(format, words, 0),
            WordsB = format.Parts == 0 ? default : TileWords.LoadRows(format, words, 1),
            ScalesA = TileWords.RowScales(format, scales, 0),
            ScalesB = TileWords.RowScales(format, scales, 1),
        };
    }

    private static Sums4 Multiply<TFormat>(TFormat format, StageWords words, StageRows rows, Sums4 sums, ArrayView<uint> exchange)
        where TFormat : struct, ITileFormat
    {
        GroupRows first = format.Rows(rows.WordsA, rows.ScalesA, 0);
        GroupRows second = format.Rows(format.Parts == 0 ? rows.WordsA : rows.WordsB, rows.ScalesB, 1);
        return format.Parts > 0
            ? ExactTiles.MultiplyStage(format.Parts, words.A, first, words.B, second, sums, exchange)
            : format.Multiply(words.B, second, format.Multiply(words.A, first, sums, exchange), exchange);
    }

    // Lays a lane's sums out as [8 rows][16 columns].
    private static void Put(ArrayView<uint> shared, int start, int lane, Sums4 sums) =>
        TileWords.Put(shared, start + ((lane & 3) * 2 * WeightLayout.TileRows) + (lane >> 2), WeightLayout.TileRows, sums);

    internal struct Parameters
    {
        public TensorProduct Product;
        public int RowTiles;
    }

    /// <summary>A stage in a lane's registers: both groups of the weights, and one or two tiles of activations.</summary>
    private struct StageWords
    {
        public GroupWeights A;
        public GroupWeights B;
        public StageRows Low;
        public StageRows High;
    }

    /// <summary>A tile of 8 rows of activations, and the scales of both groups.</summary>
    private struct StageRows
    {
        public Words4 WordsA;

        /// <summary>Of exact ones, whose groups are 16 bytes each.</summary>
        public Words4 WordsB;
        public Words4 ScalesA;
        public Words4 ScalesB;
    }

    private struct CopySources
    {
        public ArrayView<uint> Weights;
        public ArrayView<uint> Rows;
        public ArrayView<uint> HighRows;

        /// <summary>Scales, a stage of which 8 lanes copy.</summary>
        public ArrayView<uint> Scales;
        public ArrayView<uint> RowScales;
        public ArrayView<uint> HighRowScales;
    }
}
