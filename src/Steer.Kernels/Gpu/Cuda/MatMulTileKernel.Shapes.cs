using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>What a warp makes: blocks of 32 columns and 32 rows.</content>
internal static partial class MatMulTileKernel
{
    // Adds one group's products of two tiles of columns and four of rows.
    private static Sums8 MultiplyBlock<TFormat>(
        TFormat format, GroupWeights left, GroupWeights right, BlockRows rows, Sums8 sums, ArrayView<uint> exchange)
        where TFormat : struct, ITileFormat => new()
        {
            A = format.Multiply(left, rows.A, sums.A, exchange),
            B = format.Multiply(right, rows.A, sums.B, exchange),
            C = format.Multiply(left, rows.B, sums.C, exchange),
            D = format.Multiply(right, rows.B, sums.D, exchange),
            E = format.Multiply(left, rows.C, sums.E, exchange),
            F = format.Multiply(right, rows.C, sums.F, exchange),
            G = format.Multiply(left, rows.D, sums.G, exchange),
            H = format.Multiply(right, rows.D, sums.H, exchange),
        };

    // A group of a stage of the warp's tile of columns with that number.
    private static GroupWeights LoadWeights<TFormat>(TFormat format, LaneStep step, int stage, int tile, int group)
        where TFormat : struct, ITileFormat
    {
        int place = (tile * StagesPerStep) + stage;
        return TileMemory.LoadWeights(
            format, step.Weights.SubView(place * format.WeightWords), step.Scales.SubView(place * StagePlan.WeightScales), group);
    }

    // What a group of a stage multiplies of four of the warp's tiles of rows; where activations are packed, both groups.
    private static BlockWords LoadRows<TFormat>(TFormat format, LaneStep step, int stage, int rowTile, int group)
        where TFormat : struct, ITileFormat
    {
        ArrayView<uint> words = step.Rows.SubView(((rowTile * StagesPerStep) + stage) * format.RowWords);
        int next = StagesPerStep * format.RowWords;
        return new()
        {
            A = TileMemory.LoadRows(format, words, group),
            B = TileMemory.LoadRows(format, words.SubView(next), group),
            C = TileMemory.LoadRows(format, words.SubView(2 * next), group),
            D = TileMemory.LoadRows(format, words.SubView(3 * next), group),
        };
    }

    private static BlockRows RowsOf<TFormat>(TFormat format, LaneStep step, int stage, int rowTile, BlockWords words, int group)
        where TFormat : struct, ITileFormat
    {
        const int Next = StagesPerStep * PackedRows.StageScales;
        ArrayView<uint> scales = step.RowScales.SubView(((rowTile * StagesPerStep) + stage) * PackedRows.StageScales);
        return new()
        {
            A = format.Rows(words.A, TileMemory.RowScales(format, scales, group), group),
            B = format.Rows(words.B, TileMemory.RowScales(format, scales.SubView(Next), group), group),
            C = format.Rows(words.C, TileMemory.RowScales(format, scales.SubView(2 * Next), group), group),
            D = format.Rows(words.D, TileMemory.RowScales(format, scales.SubView(3 * Next), group), group),
        };
    }

    /// <summary>What a lane reads at a time of four tiles of 8 rows.</summary>
    private struct BlockWords
    {
        public Words4 A;
        public Words4 B;
        public Words4 C;
        public Words4 D;
    }

    /// <summary>A lane's part of a group of four tiles of 8 rows.</summary>
    private struct BlockRows
    {
        public GroupRows A;
        public GroupRows B;
        public GroupRows C;
        public GroupRows D;
    }

    /// <summary>Sums of a block of two tiles of columns by four tiles of rows: of both tiles for the first rows, then for the others.</summary>
    private struct Sums8
    {
        public Sums4 A;
        public Sums4 B;
        public Sums4 C;
        public Sums4 D;
        public Sums4 E;
        public Sums4 F;
        public Sums4 G;
        public Sums4 H;
    }

    /// <summary>Sums of two blocks of columns for one block of rows.</summary>
    private struct Sums16
    {
        public Sums8 A;
        public Sums8 B;
    }

    /// <summary>Sums of two by two blocks.</summary>
    private struct Sums32
    {
        public Sums16 A;
        public Sums16 B;
    }

    /// <summary>What a warp makes: a quarter of its group's tile.</summary>
    private interface ITileShape<TSums>
        where TSums : struct
    {
        /// <summary>Tiles of 16 columns of a warp.</summary>
        int Tiles { get; }

        /// <summary>Tiles of 8 rows of a warp.</summary>
        int RowTiles { get; }

        /// <summary>Adds the products of a stage of a step, a constant where this is called.</summary>
        TSums Multiply<TFormat>(TFormat format, LaneStep step, int stage, TSums sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat;

        /// <summary>Writes the sums of a block whose first is that of <paramref name="row"/> and <paramref name="column"/>.</summary>
        void Store(Parameters p, ArrayView<uint> shared, int row, int column, TSums sums);
    }

    /// <summary>32 by 32.</summary>
    private readonly struct Tile64 : ITileShape<Sums8>
    {
        public int Tiles => 2;

        public int RowTiles => 4;

        public Sums8 Multiply<TFormat>(TFormat format, LaneStep step, int stage, Sums8 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockWords rows = LoadRows(format, step, stage, 0, 0);
            sums = MultiplyGroup(format, step, stage, rows, 0, sums, exchange);
            if (format.Parts > 0)
                rows = LoadRows(format, step, stage, 0, 1);
            return MultiplyGroup(format, step, stage, rows, 1, sums, exchange);
        }

        public void Store(Parameters p, ArrayView<uint> shared, int row, int column, Sums8 sums) => StoreBlock(p, shared, row, column, sums);

        private static Sums8 MultiplyGroup<TFormat>(
            TFormat format, LaneStep step, int stage, BlockWords words, int group, Sums8 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            GroupWeights a = LoadWeights(format, step, stage, 0, group), b = LoadWeights(format, step, stage, 1, group);
            return MultiplyBlock(format, a, b, RowsOf(format, step, stage, 0, words, group), sums, exchange);
        }
    }

    /// <summary>64 columns by 32 rows.</summary>
    private readonly struct Tile128By64 : ITileShape<Sums16>
    {
        public int Tiles => 4;

        public int RowTiles => 4;

        public Sums16 Multiply<TFormat>(TFormat format, LaneStep step, int stage, Sums16 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockWords rows = LoadRows(format, step, stage, 0, 0);
            sums = MultiplyGroup(format, step, stage, rows, 0, sums, exchange);
            if (format.Parts > 0)
                rows = LoadRows(format, step, stage, 0, 1);
            return MultiplyGroup(format, step, stage, rows, 1, sums, exchange);
        }

        public void Store(Parameters p, ArrayView<uint> shared, int row, int column, Sums16 sums)
        {
            StoreBlock(p, shared, row, column, sums.A);
            StoreBlock(p, shared, row, column + 32, sums.B);
        }

        private static Sums16 MultiplyGroup<TFormat>(
            TFormat format, LaneStep step, int stage, BlockWords words, int group, Sums16 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockRows rows = RowsOf(format, step, stage, 0, words, group);
            GroupWeights a = LoadWeights(format, step, stage, 0, group), b = LoadWeights(format, step, stage, 1, group);
            sums.A = MultiplyBlock(format, a, b, rows, sums.A, exchange);
            GroupWeights c = LoadWeights(format, step, stage, 2, group), d = LoadWeights(format, step, stage, 3, group);
            sums.B = MultiplyBlock(format, c, d, rows, sums.B, exchange);
            return sums;
        }
    }

    /// <summary>64 by 64, of packed activations.</summary>
    private readonly struct Tile128 : ITileShape<Sums32>
    {
        public int Tiles => 4;

        public int RowTiles => 8;

        public Sums32 Multiply<TFormat>(TFormat format, LaneStep step, int stage, Sums32 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockWords first = LoadRows(format, step, stage, 0, 0), second = LoadRows(format, step, stage, 4, 0);
            sums = MultiplyGroup(format, step, stage, first, second, 0, sums, exchange);
            return MultiplyGroup(format, step, stage, first, second, 1, sums, exchange);
        }

        public void Store(Parameters p, ArrayView<uint> shared, int row, int column, Sums32 sums)
        {
            StoreBlock(p, shared, row, column, sums.A.A);
            StoreBlock(p, shared, row, column + 32, sums.A.B);
            StoreBlock(p, shared, row + 32, column, sums.B.A);
            StoreBlock(p, shared, row + 32, column + 32, sums.B.B);
        }

        private static Sums32 MultiplyGroup<TFormat>(
            TFormat format, LaneStep step, int stage, BlockWords firstWords, BlockWords secondWords, int group, Sums32 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockRows first = RowsOf(format, step, stage, 0, firstWords, group), second = RowsOf(format, step, stage, 4, secondWords, group);
            GroupWeights a = LoadWeights(format, step, stage, 0, group), b = LoadWeights(format, step, stage, 1, group);
            sums.A.A = MultiplyBlock(format, a, b, first, sums.A.A, exchange);
            sums.B.A = MultiplyBlock(format, a, b, second, sums.B.A, exchange);
            GroupWeights c = LoadWeights(format, step, stage, 2, group), d = LoadWeights(format, step, stage, 3, group);
            sums.A.B = MultiplyBlock(format, c, d, first, sums.A.B, exchange);
            sums.B.B = MultiplyBlock(format, c, d, second, sums.B.B, exchange);
            return sums;
        }
    }
}
