using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Attention of contexts with a single row, bound by memory, see <see cref="TensorAttention"/>. A group has up to 16 heads of one kv head and goes
/// through the units of its part of a context: a chunk, or where groups are few a single unit. Its warps share a unit: each multiplies the keys of a
/// block, the threads make the softmax through shared memory, and each warp sums a quarter of the columns of values. Keys of the next unit come to
/// registers and values of this one to shared memory meanwhile. The last group of a context to be done merges its parts (Flash-Decoding's, without a
/// second launch).
/// </summary>
internal static partial class AttentionStreamKernel
{
    private const int WarpCount = TensorAttention.UnitSize / KvCacheShape.BlockSize;
    private const int Queries = 16;
    private const int Tiles = TensorAttention.UnitSize / 8;

    /// <summary>Words of a fragment of 16 rows and 8 columns of a tensor core's operand A.</summary>
    private const int TileWords = 4 * Warps.Size;

    /// <summary>Spans of 4 pieces that are read at once.</summary>
    private const int SpansAtOnce = 4;

    /// <summary>Words of 16 queries and 16 columns.</summary>
    private const int QueryWords = 2 * TileWords;

    /// <summary>Scores, and in their places weights, of a unit.</summary>
    private const int ScoreWords = Tiles * TileWords;

    // What is in the first words of shared memory: for each query the factors of a unit's fold, the maximum and the sum so far; scales of values.
    private const int KeepStart = 0;
    private const int AddStart = Queries;
    private const int MaximumStart = 2 * Queries;
    private const int SumStart = 3 * Queries;
    private const int ScaleStart = 4 * Queries;
    private const int ScoreStart = ScaleStart + TensorAttention.UnitSize;
    private const int QueryStart = ScoreStart + ScoreWords;

    /// <summary>Words of shared memory of a group, less what packing takes.</summary>
    private const int SharedWords = (IlgpuDevice.SharedBytes / sizeof(uint)) - (2 * PackedRows.MaxThreads);

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(AttentionStreamF32, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionStreamBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionStreamInt8, tensorCores: true),
    ];

    /// <summary>Whether queries, sums and a block of 64 columns of values have room in shared memory.</summary>
    public static bool Fits(KvCacheShape shape) => ValueStart(shape) + ValueWords(shape.Type, 1) <= SharedWords;

    /// <param name="device">Where to run.</param>
    /// <param name="shape">Of the cache.</param>
    /// <param name="chunks">Most chunks that a row sees.</param>
    /// <param name="attention">What to compute.</param>
    /// <param name="packed">Where y goes too, if anywhere; heads are then whole blocks of it.</param>
    public static void Run(IlgpuDevice device, KvCacheShape shape, int chunks, TensorAttention.Parameters attention, PackedRows packed)
    {
        int headBlocks = (attention.HeadsPerKvHead + Queries - 1) / Queries, across = attention.Keys.NumKvHeads * headBlocks, rows = attention.Q.Rows;
        bool few = (long)rows * across * chunks < 2L * device.NumMultiprocessors;
        int parts = few ? chunks * TensorAttention.UnitsPerChunk : chunks;
        int blocks = ColumnBlocks(shape.HeadDim), valueStart = ValueStart(shape);
        int held = valueStart + ValueWords(shape.Type, blocks) <= SharedWords ? blocks : 1;
        var parameters = new Parameters
        {
            Attention = attention,
            Packed = packed,
            HeadBlocks = headBlocks,
            UnitsPerPart = few ? 1 : TensorAttention.UnitsPerChunk,
            SumsStart = QueryStart + QueriesLength(shape),
            ValueStart = valueStart,
            ValueStride = ValueWords(shape.Type, held) / TensorAttention.UnitSize,
            ValueShift = KvView.CopyShift(Math.Min(attention.Values.Pieces, TensorAttention.BlockColumns * held / attention.Values.NumbersPerPiece)),
            BlocksHeld = held,
            ExchangeStart = valueStart + ValueWords(shape.Type, held),
        };
        if (parts > 1)
        {
            long heads = (long)rows * attention.NumHeads;
            parameters.Parts = device.Scratch(ScratchUse.Attention, parts * heads * (attention.HeadDim + 2)).View;
            parameters.Arrivals = device.Scratch(ScratchUse.AttentionArrivals, (long)rows * across).View.Cast<int>();
        }

        Action<Parameters> body = shape.Type switch
        {
            DType.F32 => AttentionStreamF32,
            DType.BF16 => AttentionStreamBF16,
            _ => AttentionStreamInt8,
        };
        device.LaunchGroups(
            body, new Index3D(rows, across, parts), WarpCount * Warps.Size, parameters, parameters.ExchangeStart + device.ExchangeWords(WarpCount));
    }

    internal static void AttentionStreamF32(Parameters p) => Stream<F32Kv>(p);

    internal static void AttentionStreamBF16(Parameters p) => Stream<BF16Kv>(p);

    internal static void AttentionStreamInt8(Parameters p) => Stream<Int8Kv>(p);

    private static void Stream<TFormat>(Parameters p)
        where TFormat : struct, IKvFormat
    {
        LaunchOrder.LetNextBegin(p.Attention.Q.Rows);
        LaunchOrder.WaitForPrevious();
        TFormat format = default;
        ArrayView<uint> shared = SharedMemory.GetDynamic<uint>();
        ArrayView<uint> exchange = shared.SubView(p.ExchangeStart);
        int row = Grid.IdxX, g = Warps.Lane >> 2, t = Warps.Lane & 3;
        int last = p.Attention.Positions[row];
        int firstUnit = p.Attention.First(last) / TensorAttention.UnitSize, lastUnit = last / TensorAttention.UnitSize;
        int firstPart = firstUnit / p.UnitsPerPart, parts = (lastUnit / p.UnitsPerPart) + 1 - firstPart;
        if (Grid.IdxZ >= parts || (p.Attention.Mixed != 0 && !p.Attention.IsSingle(row)))
            return;

        int kvHead = Grid.IdxY / p.HeadBlocks, firstHead = Grid.IdxY % p.HeadBlocks * Queries;
        int heads = Math.Min(Queries, p.Attention.HeadsPerKvHead - firstHead);
        firstHead += kvHead * p.Attention.HeadsPerKvHead;
        int unit = Math.Max((firstPart + Grid.IdxZ) * p.UnitsPerPart, firstUnit);
        int end = Math.Min((firstPart + Grid.IdxZ + 1) * p.UnitsPerPart, lastUnit + 1);
        TensorAttention.UnitBlocks blocks = p.Attention.Blocks(row, unit, last);
        KeyPieces keys = LoadKeys(p, blocks[Warps.Index], kvHead, 0, p.Attention.Keys.Pieces, g, t);
        LoadQueries(format, p, shared, row, firstHead, heads, g, t);
        ClearSums(p, shared);
        QuerySoftmax state = QuerySoftmax.Empty;
        Group.Barrier();
        for (; unit < end; unit++)
        {
            int start = unit * TensorAttention.UnitSize;
            CopyValues(p, shared, blocks, kvHead, 0, last - start);
            WideMemory.EndStage();
            TensorAttention.UnitBlocks next = p.Attention.Blocks(row, unit + 1, last);
            int block = blocks[Warps.Index];
            UnitScales scales = LoadScales(format, p, block, kvHead, t);
            (Sums4 left, Sums4 right, keys) = Score(format, p, shared, keys, block, next[Warps.Index], unit + 1 < end, kvHead, g, t, exchange);
            PutScores(format, p, shared, left, right, scales, g, t);
            Group.Barrier();
            if (4 * Warps.Index < heads)
                state = Softmax(format, p, shared, state, firstHead, heads, start, last);
            WideMemory.WaitForAllBut(0);
            Group.Barrier();
            AddValues(format, p, shared, blocks, kvHead, last - start, g, t, exchange);
            Group.Barrier();
            blocks = next;
        }

        PutSums(format, p, shared, row, firstHead, heads, parts, g, t);
        if (parts > 1 && !Merge(p, shared, row, firstHead, heads, firstPart, parts))
            return;
        int column = firstHead * p.Attention.HeadDim;
        // The last heads take what a row is filled up with.
        p.Packed.PackOwn(
            p.Attention.Y, row, column,
            firstHead + heads < p.Attention.NumHeads ? heads * p.Attention.HeadDim : p.Packed.Columns - column);
    }

    // The group's queries, in the order in which lanes read them: for each four columns those of row g and then those of row g + 8.
    private static void LoadQueries<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, int row, int firstHead, int heads, int g, int t)
        where TFormat : struct, IKvFormat
    {
        TensorAttention.Query low = p.Attention.QueryAt(row, firstHead, heads, g, heads);
        TensorAttention.Query high = p.Attention.QueryAt(row, firstHead, heads, g + 8, heads);
        int fours = (p.Attention.Keys.Pieces + 3) / 4 * format.Fours;
        for (int i = Warps.Index; i < fours; i += WarpCount)
        {
            int column = 4 * ((((i / format.Fours * 4) + t) * format.Fours) + (i % format.Fours));
            (Floats4 lowFour, Floats4 highFour) = p.Attention.LoadQueries(format, low, high, column);
            int place = QueryStart + (i * QueryWords) + (4 * Warps.Lane);
            Put(shared, place, lowFour.X, lowFour.Y, lowFour.Z, lowFour.W);
            Put(shared, place + TileWords, highFour.X, highFour.Y, highFour.Z, highFour.W);
        }
    }

    // Each lane those that it adds to.
    private static void ClearSums(Parameters p, ArrayView<uint> shared)
    {
        int length = SumWords(p.Attention.HeadDim);
        for (int i = Group.IdxX; i < length; i += Group.DimX)
            shared[p.SumsStart + i] = 0;
        if (Group.IdxX < ScaleStart)
            shared[Group.IdxX] = 0;
    }

    // Begins to copy values of a unit, of as many blocks of columns as have room, from a block on; positions behind the last become zeros.
    private static void CopyValues(Parameters p, ArrayView<uint> shared, TensorAttention.UnitBlocks blocks, int kvHead, int columnBlock, int last)
    {
        KvView values = p.Attention.Values;
        const int Size = KvCacheShape.BlockSize;
        int blockPieces = TensorAttention.BlockColumns / values.NumbersPerPiece, first = columnBlock * blockPieces;
        int pieces = Math.Min(values.Pieces - first, p.BlocksHeld * blockPieces), rows = Size * p.ValueStride;
        ArrayView<uint> target = shared.SubView(p.ValueStart);
        values.CopyBlock(target, p.ValueStride, blocks.A, kvHead, first, pieces, p.ValueShift, last);
        values.CopyBlock(target.SubView(rows), p.ValueStride, blocks.B, kvHead, first, pieces, p.ValueShift, last - Size);
        values.CopyBlock(target.SubView(2 * rows), p.ValueStride, blocks.C, kvHead, first, pieces, p.ValueShift, last - (2 * Size));
        values.CopyBlock(target.SubView(3 * rows), p.ValueStride, blocks.D, kvHead, first, pieces, p.ValueShift, last - (3 * Size));
    }

    // Scores of the warp's block, as the operand that their weights will be: columns t and t + 4 of rows g and g + 8.
    private static void PutScores<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, Sums4 left, Sums4 right, UnitScales scales, int g, int t)
        where TFormat : struct, IKvFormat
    {
        left = TensorAttention.ScaleKeys(left, p.Attention.KeyScale(format, scales.Keys.X), p.Attention.KeyScale(format, scales.Keys.Y));
        right = TensorAttention.ScaleKeys(right, p.Attention.KeyScale(format, scales.Keys.Z), p.Attention.KeyScale(format, scales.Keys.W));
        int place = ScoreStart + (2 * Warps.Index * TileWords) + (4 * Warps.Lane);
        Put(shared, place, left.X, left.Z, left.Y, left.W);
        Put(shared, place + TileWords, right.X, right.Z, right.Y, right.W);
        if (format.HasScales == 0 || g != 0)
            return;
        int position = ScaleStart + (Warps.Index * KvCacheShape.BlockSize) + t;
        shared[position] = Interop.FloatAsInt(scales.Values.X);
        shared[position + 4] = Interop.FloatAsInt(scales.Values.Y);
        shared[position + 8] = Interop.FloatAsInt(scales.Values.Z);
        shared[position + 12] = Interop.FloatAsInt(scales.Values.W);
    }

    private static void Put(ArrayView<uint> shared, int place, float x, float y, float z, float w)
    {
        shared[place] = Interop.FloatAsInt(x);
        shared[place + 1] = Interop.FloatAsInt(y);
        shared[place + 2] = Interop.FloatAsInt(z);
        shared[place + 3] = Interop.FloatAsInt(w);
    }

    private static int ColumnBlocks(int headDim) => (headDim + (TensorAttention.BlockColumns - 1)) / TensorAttention.BlockColumns;

    private static int SumWords(int headDim) => ColumnBlocks(headDim) * Queries * TensorAttention.BlockColumns;

    // Whole spans of 4 pieces.
    private static int QueriesLength(KvCacheShape shape)
    {
        int fours = KvView.NumbersPerPieceOf(shape.Type) / 4, span = 16 * fours;
        return (shape.HeadDim + span - 1) / span * fours * QueryWords;
    }

    private static int ValueStart(KvCacheShape shape) => QueryStart + QueriesLength(shape) + SumWords(shape.HeadDim);

    // Rows lie so that lanes which read rows t to t + 3 meet in no bank.
    private static int ValueWords(DType type, int blocks) =>
        TensorAttention.UnitSize * ((int)(blocks * KvView.HeadWords(new KvCacheShape(1, 1, 1, TensorAttention.BlockColumns, type))) + 8);

    internal struct Parameters
    {
        public TensorAttention.Parameters Attention;
        public PackedRows Packed;

        /// <summary>[parts, rows, heads]: maximum, sum, and the sums of values [head dim].</summary>
        public ArrayView<float> Parts;

        /// <summary>Groups of each row, kv head and block of heads that are done.</summary>
        public ArrayView<int> Arrivals;

        /// <summary>Blocks of up to 16 query heads of a kv head, a group each.</summary>
        public int HeadBlocks;

        /// <summary>A whole chunk, or one.</summary>
        public int UnitsPerPart;

        /// <summary>Where sums of values [blocks of 64 columns][warps][2 tiles][4][lanes] lie in shared memory.</summary>
        public int SumsStart;
        public int ValueStart;
        public int ValueStride;

        /// <summary>Logarithm of the threads that copy a position.</summary>
        public int ValueShift;

        /// <summary>Blocks of 64 columns of values that are in shared memory at once: all, or one.</summary>
        public int BlocksHeld;
        public int ExchangeStart;

        public readonly long Part(int part, int row, int head) =>
            ((((long)part * Attention.Q.Rows) + row) * Attention.NumHeads + head) * (Attention.HeadDim + 2);
    }
}
