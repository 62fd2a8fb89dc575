using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// A product with up to 16 rows, bound by memory: the weight streams once from memory to registers, 16 bytes a lane, one stage ahead of the tensor cores.
/// A warp makes one part of the sum of one tile of 16 columns; the parts of a tile lie in one group, which adds them through shared memory.
/// </summary>
internal static class MatMulStreamKernel
{
    /// <summary>Most tiles of 8 rows.</summary>
    public const int MaxRowTiles = 2;

    private const int TileSums = Warps.Size * 4;

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(MatMulStreamBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulStreamInt8, tensorCores: true),
        KernelSource.OfGroups<Parameters>(MatMulStreamInt4, tensorCores: true),
    ];

    public static void Run(IlgpuDevice device, TensorProduct product, int rowTiles)
    {
        int warps = Math.Max(product.Splits, device.WarpsPerGroup);
        var parameters = new Parameters { Product = product, RowTiles = rowTiles, TilesPerGroup = warps / product.Splits };
        int groups = (product.Tiles + parameters.TilesPerGroup - 1) / parameters.TilesPerGroup;
        Action<Parameters> body = product.Weight.Layout.Type switch
        {
            DType.BF16 => MatMulStreamBF16,
            DType.Int8 => MatMulStreamInt8,
            _ => MatMulStreamInt4,
        };
        device.LaunchGroups(body, new Index3D(groups, 1, 1), warps * Warps.Size, parameters, device.ExchangeWords(warps));
    }

    internal static void MatMulStreamBF16(Parameters p) => Stream<BF16Tile>(p);

    internal static void MatMulStreamInt8(Parameters p) => Stream<Int8Tile>(p);

    internal static void MatMulStreamInt4(Parameters p) => Stream<Int4Tile>(p);

    private static void Stream<TFormat>(Parameters p)
        where TFormat : struct, ITileFormat
    {
        ArrayView<uint> exchange = SharedMemory.GetDynamic<uint>();
        ArrayView<float> partial = SharedMemory.Allocate<float>(Warps.MaxPerGroup * MaxRowTiles * TileSums);
        TFormat format = default;
        TensorProduct product = p.Product;
        int lane = Warps.Lane, warp = Warps.Index;
        int tile = (Grid.IdxX * p.TilesPerGroup) + (warp / product.Splits), part = warp % product.Splits;
        // Warps past the last tile make it once more and do not store it.
        int source = Math.Min(tile, product.Tiles - 1);
        int start = product.PartStart(part), end = product.PartStart(part + 1);

        Sums4 first = default, second = default;
        StageWeights weights = format.Load(product.Weight, source, start, lane);
        StageRows firstRows = LoadRows(format, product, 0, start, lane);
        StageRows secondRows = p.RowTiles > 1 ? LoadRows(format, product, 1, start, lane) : default;
        for (int stage = start; stage < end; stage++)
        {
            int next = Math.Min(stage + 1, end - 1);
            StageWeights nextWeights = format.Load(product.Weight, source, next, lane);
            StageRows nextFirst = LoadRows(format, product, 0, next, lane);
            StageRows nextSecond = p.RowTiles > 1 ? LoadRows(format, product, 1, next, lane) : default;
            weights = format.LoadScales(weights, product.Weight, source, stage, lane);
            first = TensorProduct.Multiply(format, weights, firstRows, first, exchange);
            if (p.RowTiles > 1)
                second = TensorProduct.Multiply(format, weights, secondRows, second, exchange);
            weights = nextWeights;
            firstRows = nextFirst;
            secondRows = nextSecond;
        }

        Put(partial, warp, 0, lane, first);
        if (p.RowTiles > 1)
            Put(partial, warp, 1, lane, second);
        Group.Barrier();
        if (part != 0 || tile >= product.Tiles)
            return;
        for (int rowTile = 0; rowTile < p.RowTiles; rowTile++)
        {
            Sums4 sums = Get(partial, warp, rowTile, lane);
            for (int other = 1; other < product.Splits; other++)
                sums += Get(partial, warp + other, rowTile, lane);
            product.Store(tile, rowTile, lane, sums);
        }
    }

    private static StageRows LoadRows<TFormat>(TFormat format, TensorProduct product, int rowTile, int stage, int lane)
        where TFormat : struct, ITileFormat
    {
        long place = ((long)rowTile * product.Weight.Layout.Steps) + stage;
        long words = (place * PackActivationsKernel.StageWords) + (4 * lane);
        var rows = new StageRows { A = WideMemory.LoadGlobal(product.Rows, words), B = WideMemory.LoadGlobal(product.Rows, words + 128) };
        if (format.HasScales != 0)
        {
            ArrayView<uint> scales = product.RowScales.Cast<uint>();
            long start = (place * PackActivationsKernel.StageScales) + (lane % 4 * 4);
            rows.Scales0 = WideMemory.LoadGlobal(scales, start);
            rows.Scales1 = WideMemory.LoadGlobal(scales, start + 16);
            rows.Scales2 = WideMemory.LoadGlobal(scales, start + 32);
            rows.Scales3 = WideMemory.LoadGlobal(scales, start + 48);
        }

        return rows;
    }

    private static void Put(ArrayView<float> partial, int warp, int rowTile, int lane, Sums4 sums)
    {
        int start = (((warp * MaxRowTiles) + rowTile) * TileSums) + lane;
        partial[start] = sums.X;
        partial[start + Warps.Size] = sums.Y;
        partial[start + (2 * Warps.Size)] = sums.Z;
        partial[start + (3 * Warps.Size)] = sums.W;
    }

    private static Sums4 Get(ArrayView<float> partial, int warp, int rowTile, int lane)
    {
        int start = (((warp * MaxRowTiles) + rowTile) * TileSums) + lane;
        return new()
        {
            X = partial[start],
            Y = partial[start + Warps.Size],
            Z = partial[start + (2 * Warps.Size)],
            W = partial[start + (3 * Warps.Size)],
        };
    }

    internal struct Parameters
    {
        public TensorProduct Product;
        public int RowTiles;
        public int TilesPerGroup;
    }
}
