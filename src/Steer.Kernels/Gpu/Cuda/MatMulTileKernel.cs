using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// A product with more than 16 rows. A group makes 128 columns for 64 or 128 rows: its activations come to shared memory by asynchronous copies, one stage
/// ahead, and each warp multiplies them with 32 columns' weights, which it alone of its rows needs and so reads to registers itself, one stage ahead too.
/// Where groups are too few for the device, each makes one part of the sum and <see cref="SumPartsKernel"/> adds the parts.
/// </summary>
internal static class MatMulTileKernel
{
    /// <summary>Tiles of 8 rows of a warp.</summary>
    public const int RowTilesPerWarp = 8;

    /// <summary>Most tiles of 8 rows of a group; activations are filled up to a multiple of it.</summary>
    public const int MaxRowTiles = 2 * RowTilesPerWarp;

    private const int ColumnWarps = 4;
    private const int TilesPerWarp = 2;

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(MatMulTileBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTileInt8, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulTileInt4, tensorCores: true),
    ];

    /// <param name="device">Where to run.</param>
    /// <param name="product">What to multiply; its activations are filled up to a multiple of <see cref="MaxRowTiles"/> tiles.</param>
    /// <param name="enoughGroups">With fewer groups than this, the parts of a sum are made by different ones.</param>
    public static void Run(IlgpuDevice device, TensorProduct product, int enoughGroups)
    {
        int rowWarps = product.RowCount > RowTilesPerWarp * PackActivationsKernel.TileRows ? 2 : 1;
        int rowsPerGroup = rowWarps * RowTilesPerWarp * PackActivationsKernel.TileRows;
        int across = (product.Tiles + (ColumnWarps * TilesPerWarp) - 1) / (ColumnWarps * TilesPerWarp);
        int down = (product.RowCount + rowsPerGroup - 1) / rowsPerGroup;
        bool apart = product.Splits > 1 && (product.Weight.Layout.Type != DType.BF16 || (long)across * down < enoughGroups);
        int columns = product.Tiles * WeightLayout.TileRows;
        var parameters = new Parameters
        {
            Product = product,
            RowWarps = rowWarps,
            PartsPerGroup = apart ? 1 : product.Splits,
            Parts = apart ? device.Scratch(ScratchUse.PartialSums, (long)product.Splits * product.RowCount * columns).View : ArrayView<float>.Empty,
        };
        Action<Parameters> body = product.Weight.Layout.Type switch
        {
            DType.BF16 => MatMulTileBF16,
            DType.Int8 => MatMulTileInt8,
            _ => MatMulTileInt4,
        };
        device.LaunchGroups(
            body, new Index3D(across, down, apart ? product.Splits : 1), rowWarps * ColumnWarps * Warps.Size, parameters,
            device.ExchangeWords(rowWarps * ColumnWarps));
        if (apart)
            SumPartsKernel.Run(device, product, parameters.Parts);
    }

    internal static void MatMulTileBF16(Parameters p) => Tile<BF16Tile>(p);

    internal static void MatMulTileInt8(Parameters p) => Tile<Int8Tile>(p);

    internal static void MatMulTileInt4(Parameters p) => Tile<Int4Tile>(p);

    private static void Tile<TFormat>(Parameters p)
        where TFormat : struct, ITileFormat
    {
        TFormat format = default;
        ArrayView<uint> exchange = SharedMemory.GetDynamic<uint>();
        // The one static piece of the kernel and so at the start of its shared memory, where 16 bytes are aligned; ILGPU itself asks for 4.
        ArrayView<uint> shared = SharedMemory.Allocate<uint>(2 * MaxRowTiles * (PackActivationsKernel.StageWords + PackActivationsKernel.StageScales));
        TensorProduct product = p.Product;
        int lane = Warps.Lane, warp = Warps.Index;
        int tile = ((Grid.IdxX * ColumnWarps) + (warp % ColumnWarps)) * TilesPerWarp;
        int left = Math.Min(tile, product.Tiles - 1), right = Math.Min(tile + 1, product.Tiles - 1);
        int rowTile = ((Grid.IdxY * p.RowWarps) + (warp / ColumnWarps)) * RowTilesPerWarp;
        int firstPart = Grid.IdxZ * p.PartsPerGroup, lastPart = firstPart + p.PartsPerGroup - 1;
        int start = product.PartStart(firstPart), end = product.PartStart(lastPart + 1);

        CopyRows(format, p, shared, start);
        StageWeights leftWeights = format.Load(product.Weight, left, start, lane), rightWeights = format.Load(product.Weight, right, start, lane);
        Sums8 leftTotal = default, rightTotal = default;
        for (int part = firstPart; part <= lastPart; part++)
        {
            Sums8 leftSums = default, rightSums = default;
            int partEnd = product.PartStart(part + 1);
            for (int stage = product.PartStart(part); stage < partEnd; stage++)
            {
                int next = Math.Min(stage + 1, end - 1);
                if (stage + 1 < end)
                    CopyRows(format, p, shared, next);
                else
                    WideMemory.EndStage();
                // Where there are scales, registers do not do for two stages.
                int ahead = format.HasScales != 0 ? stage : next;
                StageWeights nextLeft = format.Load(product.Weight, left, ahead, lane), nextRight = format.Load(product.Weight, right, ahead, lane);
                if (format.HasScales != 0)
                {
                    leftWeights = format.LoadScales(nextLeft, product.Weight, left, stage, lane);
                    rightWeights = format.LoadScales(nextRight, product.Weight, right, stage, lane);
                }

                WideMemory.WaitForAllButOneStage();
                Group.Barrier();

                int half = stage % 2, firstRow = warp / ColumnWarps * RowTilesPerWarp;
                (leftSums, rightSums) = Multiply(
                    format, leftWeights, rightWeights, shared, half, firstRow, lane, leftSums, rightSums, exchange);
                if (format.HasScales == 0)
                {
                    leftWeights = nextLeft;
                    rightWeights = nextRight;
                }

                // The half that was read is the one that the next copies fill.
                Group.Barrier();
            }

            // With scales a group makes one part: there are no registers for two sets of sums.
            leftTotal = format.HasScales != 0 || part == firstPart ? leftSums : leftTotal + leftSums;
            rightTotal = format.HasScales != 0 || part == firstPart ? rightSums : rightTotal + rightSums;
        }

        p.Store(tile, rowTile, lane, leftTotal);
        p.Store(tile + 1, rowTile, lane, rightTotal);
    }

    // Two tiles of columns for each read of activations.
    private static (Sums8 Left, Sums8 Right) Multiply<TFormat>(
        TFormat format, StageWeights left, StageWeights right, ArrayView<uint> shared, int half, int rowTile, int lane, Sums8 leftSums, Sums8 rightSums,
        ArrayView<uint> exchange)
        where TFormat : struct, ITileFormat
    {
        StageRows rows = LoadRows(format, shared, half, rowTile, lane);
        leftSums.A = TensorProduct.Multiply(format, left, rows, leftSums.A, exchange);
        rightSums.A = TensorProduct.Multiply(format, right, rows, rightSums.A, exchange);
        rows = LoadRows(format, shared, half, rowTile + 1, lane);
        leftSums.B = TensorProduct.Multiply(format, left, rows, leftSums.B, exchange);
        rightSums.B = TensorProduct.Multiply(format, right, rows, rightSums.B, exchange);
        rows = LoadRows(format, shared, half, rowTile + 2, lane);
        leftSums.C = TensorProduct.Multiply(format, left, rows, leftSums.C, exchange);
        rightSums.C = TensorProduct.Multiply(format, right, rows, rightSums.C, exchange);
        rows = LoadRows(format, shared, half, rowTile + 3, lane);
        leftSums.D = TensorProduct.Multiply(format, left, rows, leftSums.D, exchange);
        rightSums.D = TensorProduct.Multiply(format, right, rows, rightSums.D, exchange);
        rows = LoadRows(format, shared, half, rowTile + 4, lane);
        leftSums.E = TensorProduct.Multiply(format, left, rows, leftSums.E, exchange);
        rightSums.E = TensorProduct.Multiply(format, right, rows, rightSums.E, exchange);
        rows = LoadRows(format, shared, half, rowTile + 5, lane);
        leftSums.F = TensorProduct.Multiply(format, left, rows, leftSums.F, exchange);
        rightSums.F = TensorProduct.Multiply(format, right, rows, rightSums.F, exchange);
        rows = LoadRows(format, shared, half, rowTile + 6, lane);
        leftSums.G = TensorProduct.Multiply(format, left, rows, leftSums.G, exchange);
        rightSums.G = TensorProduct.Multiply(format, right, rows, rightSums.G, exchange);
        rows = LoadRows(format, shared, half, rowTile + 7, lane);
        leftSums.H = TensorProduct.Multiply(format, left, rows, leftSums.H, exchange);
        rightSums.H = TensorProduct.Multiply(format, right, rows, rightSums.H, exchange);
        return (leftSums, rightSums);
    }

    // Begins to copy a stage of the group's activations, and their scales behind them, to the half of shared memory that is the stage's.
    private static void CopyRows<TFormat>(TFormat format, Parameters p, ArrayView<uint> shared, int stage)
        where TFormat : struct, ITileFormat
    {
        int rowTiles = p.RowWarps * RowTilesPerWarp, firstTile = Grid.IdxY * rowTiles, steps = p.Product.Weight.Layout.Steps;
        int start = stage % 2 * MaxRowTiles * (PackActivationsKernel.StageWords + PackActivationsKernel.StageScales);
        for (int i = 4 * Group.IdxX; i < rowTiles * PackActivationsKernel.StageWords; i += 4 * Group.DimX)
        {
            long place = ((long)(firstTile + (i / PackActivationsKernel.StageWords)) * steps) + stage;
            WideMemory.Copy(
                shared, start + i, p.Product.Rows, (place * PackActivationsKernel.StageWords) + (i % PackActivationsKernel.StageWords));
        }

        if (format.HasScales != 0)
        {
            ArrayView<uint> scales = p.Product.RowScales.Cast<uint>();
            start += MaxRowTiles * PackActivationsKernel.StageWords;
            for (int i = 4 * Group.IdxX; i < rowTiles * PackActivationsKernel.StageScales; i += 4 * Group.DimX)
            {
                long place = ((long)(firstTile + (i / PackActivationsKernel.StageScales)) * steps) + stage;
                WideMemory.Copy(shared, start + i, scales, (place * PackActivationsKernel.StageScales) + (i % PackActivationsKernel.StageScales));
            }
        }

        WideMemory.EndStage();
    }

    private static StageRows LoadRows<TFormat>(TFormat format, ArrayView<uint> shared, int half, int rowTile, int lane)
        where TFormat : struct, ITileFormat
    {
        int start = half * MaxRowTiles * (PackActivationsKernel.StageWords + PackActivationsKernel.StageScales);
        int words = start + (rowTile * PackActivationsKernel.StageWords) + (4 * lane);
        var rows = new StageRows { A = WideMemory.LoadShared(shared, words), B = WideMemory.LoadShared(shared, words + 128) };
        if (format.HasScales != 0)
        {
            int scales = start + (MaxRowTiles * PackActivationsKernel.StageWords) + (rowTile * PackActivationsKernel.StageScales) + (lane % 4 * 4);
            rows.Scales0 = WideMemory.LoadShared(shared, scales);
            rows.Scales1 = WideMemory.LoadShared(shared, scales + 16);
            rows.Scales2 = WideMemory.LoadShared(shared, scales + 32);
            rows.Scales3 = WideMemory.LoadShared(shared, scales + 48);
        }

        return rows;
    }

    /// <summary>The sums of a tile of 16 columns for eight tiles of rows.</summary>
    internal struct Sums8
    {
        public Sums4 A;
        public Sums4 B;
        public Sums4 C;
        public Sums4 D;
        public Sums4 E;
        public Sums4 F;
        public Sums4 G;
        public Sums4 H;

        public static Sums8 operator +(Sums8 a, Sums8 b) => new()
        {
            A = a.A + b.A, B = a.B + b.B, C = a.C + b.C, D = a.D + b.D, E = a.E + b.E, F = a.F + b.F, G = a.G + b.G, H = a.H + b.H,
        };
    }

    internal struct Parameters
    {
        public TensorProduct Product;
        public int RowWarps;
        public int PartsPerGroup;

        /// <summary>[parts, rows, columns] where a group makes one part.</summary>
        public ArrayView<float> Parts;

        public readonly void Store(int tile, int rowTile, int lane, Sums8 sums)
        {
            if (tile >= Product.Tiles)
                return;
            Store(tile, rowTile, lane, sums.A);
            Store(tile, rowTile + 1, lane, sums.B);
            Store(tile, rowTile + 2, lane, sums.C);
            Store(tile, rowTile + 3, lane, sums.D);
            Store(tile, rowTile + 4, lane, sums.E);
            Store(tile, rowTile + 5, lane, sums.F);
            Store(tile, rowTile + 6, lane, sums.G);
            Store(tile, rowTile + 7, lane, sums.H);
        }

        private readonly void Store(int tile, int rowTile, int lane, Sums4 sums)
        {
            if (PartsPerGroup == Product.Splits)
            {
                Product.Store(tile, rowTile, lane, sums);
                return;
            }

            int columns = Product.Tiles * WeightLayout.TileRows, column = (tile * WeightLayout.TileRows) + (lane / 4);
            int row = (rowTile * PackActivationsKernel.TileRows) + (lane % 4 * 2);
            long place = (((long)Grid.IdxZ * Product.RowCount) + row) * columns + column;
            if (row < Product.RowCount)
            {
                Parts[place] = sums.X;
                Parts[place + 8] = sums.Z;
            }

            if (row + 1 < Product.RowCount)
            {
                Parts[place + columns] = sums.Y;
                Parts[place + columns + 8] = sums.W;
            }
        }
    }
}
