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

    private static GroupWeights LoadWeights<TFormat>(TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int group, int lane)
        where TFormat : struct, ITileFormat =>
        format.Load(shared, slot + (tile * format.WeightWords), slot + plan.Scales + (tile * StagePlan.WeightScales), group, lane);

    // What a group multiplies of four tiles of rows; where activations are packed, both groups.
    private static BlockWords LoadRows<TFormat>(TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int rowTile, int group, int lane)
        where TFormat : struct, ITileFormat
    {
        int start = slot + plan.Rows + (rowTile * format.RowWords);
        return new()
        {
            A = TileWords.LoadRows(format, shared, start, group, lane),
            B = TileWords.LoadRows(format, shared, start + format.RowWords, group, lane),
            C = TileWords.LoadRows(format, shared, start + (2 * format.RowWords), group, lane),
            D = TileWords.LoadRows(format, shared, start + (3 * format.RowWords), group, lane),
        };
    }

    private static BlockRows RowsOf<TFormat>(
        TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int rowTile, BlockWords words, int group, int lane)
        where TFormat : struct, ITileFormat
    {
        const int Scales = PackActivationsKernel.StageScales;
        int start = slot + plan.RowScales + (rowTile * Scales);
        return new()
        {
            A = format.Rows(words.A, TileWords.RowScales(format, shared, start, group, lane), group),
            B = format.Rows(words.B, TileWords.RowScales(format, shared, start + Scales, group, lane), group),
            C = format.Rows(words.C, TileWords.RowScales(format, shared, start + (2 * Scales), group, lane), group),
            D = format.Rows(words.D, TileWords.RowScales(format, shared, start + (3 * Scales), group, lane), group),
        };
    }

    // Writes 32 columns of 32 rows by way of shared memory, so that a warp writes 32 neighbours at a time.
    private static void StoreBlock(Parameters p, ArrayView<uint> shared, int column, int row, Sums8 sums)
    {
        // With rows so far apart, the lanes of a warp write to different banks.
        const int Stride = 36;
        int lane = Warps.Lane, start = Warps.Index * 32 * Stride, g = lane >> 2, t = (lane & 3) * 2;
        Group.Barrier();
        TileWords.Put(shared, start + (t * Stride) + g, Stride, sums.A);
        TileWords.Put(shared, start + (t * Stride) + g + 16, Stride, sums.B);
        TileWords.Put(shared, start + ((t + 8) * Stride) + g, Stride, sums.C);
        TileWords.Put(shared, start + ((t + 8) * Stride) + g + 16, Stride, sums.D);
        TileWords.Put(shared, start + ((t + 16) * Stride) + g, Stride, sums.E);
        TileWords.Put(shared, start + ((t + 16) * Stride) + g + 16, Stride, sums.F);
        TileWords.Put(shared, start + ((t + 24) * Stride) + g, Stride, sums.G);
        TileWords.Put(shared, start + ((t + 24) * Stride) + g + 16, Stride, sums.H);
        Group.Barrier();
        int end = Math.Min(row + 32, p.Product.RowCount);
        for (int place = start + lane; row < end; row++, place += Stride)
            p.Store(row, column + lane, Interop.IntAsFloat(shared[place]));
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

        /// <summary>Adds a stage's products: of columns from a tile on, and rows from a tile on.</summary>
        TSums Multiply<TFormat>(
            TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int rowTile, int lane, TSums sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat;

        void Store(Parameters p, ArrayView<uint> shared, int column, int row, TSums sums);
    }

    /// <summary>32 by 32.</summary>
    private readonly struct Tile64 : ITileShape<Sums8>
    {
        public int Tiles => 2;

        public int RowTiles => 4;

        public Sums8 Multiply<TFormat>(
            TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int rowTile, int lane, Sums8 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockWords rows = LoadRows(format, plan, shared, slot, rowTile, 0, lane);
            sums = MultiplyGroup(format, plan, shared, slot, tile, rowTile, rows, 0, lane, sums, exchange);
            if (format.Parts > 0)
                rows = LoadRows(format, plan, shared, slot, rowTile, 1, lane);
            return MultiplyGroup(format, plan, shared, slot, tile, rowTile, rows, 1, lane, sums, exchange);
        }

        public void Store(Parameters p, ArrayView<uint> shared, int column, int row, Sums8 sums) => StoreBlock(p, shared, column, row, sums);

        private static Sums8 MultiplyGroup<TFormat>(
            TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int rowTile, BlockWords words, int group, int lane, Sums8 sums,
            ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            GroupWeights a = LoadWeights(format, plan, shared, slot, tile, group, lane), b = LoadWeights(format, plan, shared, slot, tile + 1, group, lane);
            return MultiplyBlock(format, a, b, RowsOf(format, plan, shared, slot, rowTile, words, group, lane), sums, exchange);
        }
    }

    /// <summary>64 columns by 32 rows.</summary>
    private readonly struct Tile128By64 : ITileShape<Sums16>
    {
        public int Tiles => 4;

        public int RowTiles => 4;

        public Sums16 Multiply<TFormat>(
            TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int rowTile, int lane, Sums16 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockWords rows = LoadRows(format, plan, shared, slot, rowTile, 0, lane);
            sums = MultiplyGroup(format, plan, shared, slot, tile, rowTile, rows, 0, lane, sums, exchange);
            if (format.Parts > 0)
                rows = LoadRows(format, plan, shared, slot, rowTile, 1, lane);
            return MultiplyGroup(format, plan, shared, slot, tile, rowTile, rows, 1, lane, sums, exchange);
        }

        public void Store(Parameters p, ArrayView<uint> shared, int column, int row, Sums16 sums)
        {
            StoreBlock(p, shared, column, row, sums.A);
            StoreBlock(p, shared, column + 32, row, sums.B);
        }

        public static Sums16 MultiplyGroup<TFormat>(
            TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int rowTile, BlockWords words, int group, int lane, Sums16 sums,
            ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockRows rows = RowsOf(format, plan, shared, slot, rowTile, words, group, lane);
            GroupWeights a = LoadWeights(format, plan, shared, slot, tile, group, lane), b = LoadWeights(format, plan, shared, slot, tile + 1, group, lane);
            sums.A = MultiplyBlock(format, a, b, rows, sums.A, exchange);
            GroupWeights c = LoadWeights(format, plan, shared, slot, tile + 2, group, lane), d = LoadWeights(format, plan, shared, slot, tile + 3, group, lane);
            sums.B = MultiplyBlock(format, c, d, rows, sums.B, exchange);
            return sums;
        }
    }

    /// <summary>64 by 64, of packed activations.</summary>
    private readonly struct Tile128 : ITileShape<Sums32>
    {
        public int Tiles => 4;

        public int RowTiles => 8;

        public Sums32 Multiply<TFormat>(
            TFormat format, StagePlan plan, ArrayView<uint> shared, int slot, int tile, int rowTile, int lane, Sums32 sums, ArrayView<uint> exchange)
            where TFormat : struct, ITileFormat
        {
            BlockWords first = LoadRows(format, plan, shared, slot, rowTile, 0, lane), second = LoadRows(format, plan, shared, slot, rowTile + 4, 0, lane);
            sums.A = Tile128By64.MultiplyGroup(format, plan, shared, slot, tile, rowTile, first, 0, lane, sums.A, exchange);
            sums.B = Tile128By64.MultiplyGroup(format, plan, shared, slot, tile, rowTile + 4, second, 0, lane, sums.B, exchange);
            sums.A = Tile128By64.MultiplyGroup(format, plan, shared, slot, tile, rowTile, first, 1, lane, sums.A, exchange);
            sums.B = Tile128By64.MultiplyGroup(format, plan, shared, slot, tile, rowTile + 4, second, 1, lane, sums.B, exchange);
            return sums;
        }

        public void Store(Parameters p, ArrayView<uint> shared, int column, int row, Sums32 sums)
        {
            StoreBlock(p, shared, column, row, sums.A.A);
            StoreBlock(p, shared, column + 32, row, sums.A.B);
            StoreBlock(p, shared, column, row + 32, sums.B.A);
            StoreBlock(p, shared, column + 32, row + 32, sums.B.B);
        }
    }
}
