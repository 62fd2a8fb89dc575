using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Attention of contexts with several rows, see <see cref="TensorAttention"/>. A group has 64 queries (rows times heads of one kv head), 16 to a
/// warp, which share each unit of keys and values: it comes to shared memory by asynchronous copies, values while keys are multiplied and the other
/// way round. The sums of a chunk are in registers and those of the chunks before it in y.
/// </summary>
internal static partial class AttentionTileKernel
{
    private const int WarpCount = 4;
    private const int QueriesPerWarp = 16;
    private const int Queries = WarpCount * QueriesPerWarp;

    /// <summary>Columns of values of a group; wider heads take several.</summary>
    private const int MaxColumns = 2 * TensorAttention.BlockColumns;

    // What is copied: numbers, so that the kernel turns from one to the other by counting.
    private const int Keys = 0;
    private const int Values = 1;

    /// <summary>Words of shared memory of a group.</summary>
    private const int SharedWords = IlgpuDevice.SharedBytes / sizeof(uint);

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(AttentionTileF32, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionTileBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionTileInt8, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionWideTileF32, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionWideTileBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionWideTileInt8, tensorCores: true),
    ];

    /// <summary>Whether keys, and in their place values, of a unit have room in shared memory.</summary>
    public static bool Fits(KvCacheShape shape)
    {
        (int keys, int values) = UnitWords(shape);
        return Math.Max(keys, values) + (2 * TensorAttention.UnitSize) <= SharedWords;
    }

    /// <param name="device">Where to run.</param>
    /// <param name="shape">Of the cache.</param>
    /// <param name="attention">What to compute.</param>
    public static void Run(IlgpuDevice device, KvCacheShape shape, TensorAttention.Parameters attention)
    {
        int headsPerGroup = Math.Min(attention.HeadsPerKvHead, Queries);
        (int keys, int values) = UnitWords(shape);
        int valuePieces = MaxColumns / attention.Values.NumbersPerPiece;
        int scales = shape.Type == DType.Int8 ? 2 * TensorAttention.UnitSize : 0;
        bool overlaps = keys + values + scales <= SharedWords;
        int scaleStart = overlaps ? keys + values : Math.Max(keys, values);
        var parameters = new Parameters
        {
            Attention = attention,
            HeadsPerGroup = headsPerGroup,
            HeadBlocks = (attention.HeadsPerKvHead + headsPerGroup - 1) / headsPerGroup,
            RowsPerGroup = Queries / headsPerGroup,
            KeyStride = KeyStride(shape),
            ValueStride = ValueStride(shape),
            ValuePieces = valuePieces,
            KeyShift = KvView.CopyShift(attention.Keys.Pieces),
            ValueShift = KvView.CopyShift(Math.Min(attention.Values.Pieces, valuePieces)),
            ValueStart = overlaps ? keys : 0,
            ScaleStart = scaleStart,
            ExchangeStart = scaleStart + scales,
            Overlaps = overlaps ? 1 : 0,
        };
        int down = (attention.Q.Rows + parameters.RowsPerGroup - 1) / parameters.RowsPerGroup;
        bool wide = shape.HeadDim > TensorAttention.BlockColumns;
        Action<Parameters> body = shape.Type switch
        {
            DType.F32 => wide ? AttentionWideTileF32 : AttentionTileF32,
            DType.BF16 => wide ? AttentionWideTileBF16 : AttentionTileBF16,
            _ => wide ? AttentionWideTileInt8 : AttentionTileInt8,
        };
        device.LaunchGroups(
            body, new Index3D(down, attention.Keys.NumKvHeads * parameters.HeadBlocks, (shape.HeadDim + MaxColumns - 1) / MaxColumns),
            WarpCount * Warps.Size, parameters, parameters.ExchangeStart + device.ExchangeWords(WarpCount));
    }

    internal static void AttentionTileF32(Parameters p) => Tile<F32Kv, Narrow>(p);

    internal static void AttentionTileBF16(Parameters p) => Tile<BF16Kv, Narrow>(p);

    internal static void AttentionTileInt8(Parameters p) => Tile<Int8Kv, Narrow>(p);

    internal static void AttentionWideTileF32(Parameters p) => Tile<F32Kv, Wide>(p);

    internal static void AttentionWideTileBF16(Parameters p) => Tile<BF16Kv, Wide>(p);

    internal static void AttentionWideTileInt8(Parameters p) => Tile<Int8Kv, Wide>(p);

    private static void Tile<TFormat, TWidth>(Parameters p)
        where TFormat : struct, IKvFormat
        where TWidth : struct, IWidth
    {
        ArrayView<uint> shared = SharedMemory.GetDynamic<uint>();
        int kvHead = Grid.IdxY / p.HeadBlocks, firstHead = Grid.IdxY % p.HeadBlocks * p.HeadsPerGroup;
        int heads = Math.Min(p.HeadsPerGroup, p.Attention.HeadsPerKvHead - firstHead);
        // The last rows have the most to do and so come first.
        int row = (Grid.DimX - 1 - Grid.IdxX) * p.RowsPerGroup, end = Math.Min(row + p.RowsPerGroup, p.Attention.Q.Rows);
        while (row < end)
        {
            int next = row + 1;
            while (next < end && p.Attention.RowContext[next] == p.Attention.RowContext[row])
                next++;
            if (p.Attention.Mixed == 0 || !p.Attention.IsSingle(row))
                AttendRows<TFormat, TWidth>(p, shared, row, next, kvHead, (kvHead * p.Attention.HeadsPerKvHead) + firstHead, heads);
            row = next;
        }
    }

    // Rows of one context.
    private static void AttendRows<TFormat, TWidth>(Parameters p, ArrayView<uint> shared, int row, int next, int kvHead, int firstHead, int heads)
        where TFormat : struct, IKvFormat
        where TWidth : struct, IWidth
    {
        TFormat format = default;
        TWidth width = default;
        ArrayView<uint> exchange = shared.SubView(p.ExchangeStart);
        int g = Warps.Lane >> 2, t = Warps.Lane & 3, count = (next - row) * heads, query = Warps.Index * QueriesPerWarp;
        TensorAttention.Query low = p.Attention.QueryAt(row, firstHead, heads, query + g, count);
        TensorAttention.Query high = p.Attention.QueryAt(row, firstHead, heads, query + g + 8, count);
        // A warp without queries only copies.
        bool works = query < count;
        int last = p.Attention.Positions[next - 1];
        int unit = p.Attention.First(p.Attention.Positions[row]) / TensorAttention.UnitSize, lastUnit = last / TensorAttention.UnitSize;
        Sums16x64 left = default, right = default;
        SoftmaxState chunk = SoftmaxState.Empty, total = SoftmaxState.Empty;
        // Keys and values are a stage each, and all but the newest is waited for. Where they share a place an empty stage follows each, so that it is
        // waited for at once.
        p.Copy(shared, Keys, row, kvHead, unit, last);
        WideMemory.EndStage();
        if (p.Overlaps != 0)
            p.Copy(shared, Values, row, kvHead, unit, last);
        WideMemory.EndStage();
        for (; unit <= lastUnit; unit++)
        {
            int start = unit * TensorAttention.UnitSize;
            WideMemory.WaitForAllBut(1);
            Group.Barrier();
            Sums16x64 scores = default;
            if (works)
            {
                scores.First = Score(format, p, shared, low, high, 0, g, t, exchange);
                scores.Second = Score(format, p, shared, low, high, 1, g, t, exchange);
                scores = ScaleKeys(format, p, shared, scores, t);
            }

            Group.Barrier();

            // The next unit's keys where they have a place, else this one's values in theirs.
            if (p.Overlaps == 0 || unit < lastUnit)
                p.Copy(shared, Values - p.Overlaps, row, kvHead, unit + p.Overlaps, last);
            WideMemory.EndStage();
            if (p.Overlaps == 0)
                WideMemory.EndStage();
            TensorAttention.UnitSoftmax softmax = p.Attention.Softmax(scores, low, high, start, t);
            WideMemory.WaitForAllBut(1);
            Group.Barrier();
            if (works)
            {
                Sums16x64 weights = ScaleValues(format, p, shared, softmax.Weights, t);
                (Sums16x64 unitLeft, Sums16x64 unitRight) = WeightValues(format, width, p, shared, weights, g, t, exchange);
                (chunk, FoldFactors keeps) = chunk.Fold(softmax.State);
                left = left.Fold(keeps, unitLeft);
                if (width.Blocks > 1)
                    right = right.Fold(keeps, unitRight);
            }

            Group.Barrier();
            // The next unit's values where keys have come already, else its keys.
            if (unit < lastUnit)
                p.Copy(shared, Keys + p.Overlaps, row, kvHead, unit + 1, last);
            WideMemory.EndStage();
            if (p.Overlaps == 0)
                WideMemory.EndStage();
            if ((unit + 1) % TensorAttention.UnitsPerChunk == 0 || unit == lastUnit)
            {
                (total, FoldFactors factors) = total.Fold(chunk);
                float lowScale = unit == lastUnit ? 1 / total.LowSum : 1, highScale = unit == lastUnit ? 1 / total.HighSum : 1;
                int d = Grid.IdxZ * MaxColumns;
                Put(format, p, low, high, d, t, left, factors, lowScale, highScale);
                if (width.Blocks > 1)
                    Put(format, p, low, high, d + TensorAttention.BlockColumns, t, right, factors, lowScale, highScale);
                left = default;
                right = default;
                chunk = SoftmaxState.Empty;
            }
        }
    }

    // Rows lie so that the lanes which read 16 bytes at once meet in no bank: rows r and r + 4 of keys, rows r to r + 3 of values.
    private static int KeyStride(KvCacheShape shape) => (((int)KvView.HeadWords(shape) + 15) / 16 * 16) + 4;

    private static int ValueStride(int blockWords, int blocks) => (blockWords * blocks) + 8;

    private static int ValueStride(KvCacheShape shape) => ValueStride(
        (int)KvView.HeadWords(shape with { HeadDim = TensorAttention.BlockColumns }), shape.HeadDim > TensorAttention.BlockColumns ? 2 : 1);

    // Values are read to the end of a block of 64 columns, whether a head has them or not.
    private static (int Keys, int Values) UnitWords(KvCacheShape shape) =>
        (TensorAttention.UnitSize * KeyStride(shape), TensorAttention.UnitSize * ValueStride(shape));

    internal struct Parameters
    {
        public TensorAttention.Parameters Attention;

        /// <summary>Query heads of a kv head that a group takes, and in how many such blocks of heads a kv head's come.</summary>
        public int HeadsPerGroup;
        public int HeadBlocks;
        public int RowsPerGroup;

        /// <summary>Words from one position to the next in shared memory.</summary>
        public int KeyStride;
        public int ValueStride;
        public int ValueStart;

        /// <summary>Logarithm of the threads that copy a position.</summary>
        public int KeyShift;
        public int ValueShift;

        /// <summary>Where scales of keys and then of values lie, if there are any.</summary>
        public int ScaleStart;
        public int ExchangeStart;

        /// <summary>Pieces of a position's values that a group reads.</summary>
        public int ValuePieces;

        /// <summary>Keys and values have a place each; else they take turns in one.</summary>
        public int Overlaps;

        /// <summary>
        /// Begins to copy a unit's <see cref="Keys"/> or <see cref="Values"/>; positions behind <paramref name="last"/> become zeros.
        /// </summary>
        public readonly void Copy(ArrayView<uint> shared, int what, int row, int kvHead, int unit, int last)
        {
            long table = (long)Attention.RowContext[row] * Attention.BlockTableStride;
            KvView view = what == Keys ? Attention.Keys : Attention.Values;
            int target = what == Keys ? 0 : ValueStart, stride = what == Keys ? KeyStride : ValueStride;
            int firstPiece = what == Keys ? 0 : Grid.IdxZ * ValuePieces;
            int pieces = what == Keys ? view.Pieces : Math.Min(view.Pieces - firstPiece, ValuePieces);
            if (view.Type == DType.Int8 && Group.IdxX < TensorAttention.UnitSize / 4)
            {
                int position = 4 * Group.IdxX;
                int block = BlockOf(table, (unit * TensorAttention.UnitSize) + position, last);
                view.CopyScales(shared, ScaleStart + (what * TensorAttention.UnitSize) + position, block, kvHead, position % KvCacheShape.BlockSize);
            }

            for (int first = 0; first < TensorAttention.UnitSize; first += KvCacheShape.BlockSize)
            {
                int position = (unit * TensorAttention.UnitSize) + first;
                view.CopyBlock(
                    shared.SubView(target + (first * stride)), stride, BlockOf(table, position, last), kvHead, firstPiece, pieces,
                    what == Keys ? KeyShift : ValueShift, last - position);
            }
        }

        // The block of a position; of one behind the last, the last's.
        private readonly int BlockOf(long table, int position, int last) =>
            Attention.BlockTables[table + (Math.Min(position, last) / KvCacheShape.BlockSize)];
    }
}
