using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Attention of contexts with a single row, bound by memory, see <see cref="TensorAttention"/>. A group has a chunk of a context and up to 16 heads of one kv
/// head; each of its warps reads a unit of keys and values from memory to registers, some pieces ahead of the tensor cores. The last group of a context to be
/// done merges its chunks (Flash-Decoding's parts, without a second launch).
/// </summary>
internal static class AttentionStreamKernel
{
    private const int WarpCount = TensorAttention.UnitsPerChunk;
    private const int Queries = 16;
    private const int BlocksPerUnit = TensorAttention.UnitSize / KvCacheShape.BlockSize;

    /// <summary>Spans of 4 pieces that are read at once.</summary>
    private const int SpansAtOnce = 4;

    /// <summary>Words of an operand of 16 queries and 16 columns.</summary>
    private const int QueryWords = 4 * 4 * Warps.Size;

    /// <summary>Maximum and sum of each unit and query, and whether this group merges.</summary>
    private const int StatisticWords = (2 * WarpCount * Queries) + 16;

    /// <summary>Words of shared memory that every device has for a group.</summary>
    private const int SharedWords = 12_288;

    internal static IEnumerable<KernelSource> Sources =>
    [
        KernelSource.OfGroups<Parameters>(AttentionStreamF32, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionStreamBF16, tensorCores: true),
        KernelSource.OfGroups<Parameters>(AttentionStreamInt8, tensorCores: true),
    ];

    /// <summary>Whether a group's queries have room in shared memory.</summary>
    public static bool Fits(KvCacheShape shape) => StatisticWords + WorkWords(shape.HeadDim, shape.Type) <= SharedWords;

    /// <param name="device">Where to run.</param>
    /// <param name="type">Of the cache.</param>
    /// <param name="chunks">Most chunks that a row sees.</param>
    /// <param name="attention">What to compute.</param>
    public static void Run(IlgpuDevice device, DType type, int chunks, TensorAttention.Parameters attention)
    {
        int headBlocks = (attention.Sharing + Queries - 1) / Queries, across = attention.Keys.NumKvHeads * headBlocks, rows = attention.Q.Rows;
        var parameters = new Parameters
        {
            Attention = attention,
            HeadBlocks = headBlocks,
            ExchangeStart = StatisticWords + WorkWords(attention.HeadDim, type),
        };
        if (chunks > 1)
        {
            long heads = (long)rows * attention.Keys.NumKvHeads * attention.Sharing;
            parameters.Parts = device.Scratch(ScratchUse.Attention, chunks * heads * (attention.HeadDim + 2)).View;
            parameters.Arrivals = device.Scratch(ScratchUse.AttentionArrivals, (long)rows * across).View.Cast<int>();
        }

        Action<Parameters> body = type switch
        {
            DType.F32 => AttentionStreamF32,
            DType.BF16 => AttentionStreamBF16,
            _ => AttentionStreamInt8,
        };
        device.LaunchGroups(
            body, new Index3D(rows, across, chunks), WarpCount * Warps.Size, parameters, parameters.ExchangeStart + device.ExchangeWords(WarpCount));
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
        ArrayView<uint> work = shared.SubView(StatisticWords), exchange = shared.SubView(p.ExchangeStart);
        int row = Grid.IdxX, g = Warps.Lane >> 2, t = Warps.Lane & 3;
        int last = p.Attention.Positions[row], first = p.Attention.First(last);
        int firstChunk = first / TensorAttention.ChunkSize, chunks = (last / TensorAttention.ChunkSize) + 1 - firstChunk;
        if (Grid.IdxZ >= chunks || (p.Attention.Mixed != 0 && !p.Attention.IsSingle(row)))
            return;

        int kvHead = Grid.IdxY / p.HeadBlocks, firstHead = Grid.IdxY % p.HeadBlocks * Queries;
        int heads = Math.Min(Queries, p.Attention.Sharing - firstHead);
        firstHead += kvHead * p.Attention.Sharing;
        TensorAttention.Query low = p.Attention.QueryAt(row, firstHead, heads, g, heads);
        TensorAttention.Query high = p.Attention.QueryAt(row, firstHead, heads, g + 8, heads);
        SplitQueries(format, p, work, low, high, t);

        int unit = ((firstChunk + Grid.IdxZ) * TensorAttention.UnitsPerChunk) + Warps.Index, start = unit * TensorAttention.UnitSize;
        bool seen = start <= last && start + TensorAttention.UnitSize > first;
        int blockCount = Math.Min(((last - start) / KvCacheShape.BlockSize) + 1, BlocksPerUnit);
        TensorAttention.UnitBlocks blocks = p.Attention.Blocks(row, unit, last);
        Group.Barrier();
        var softmax = new TensorAttention.UnitSoftmax { State = SoftmaxState.Empty };
        if (seen)
        {
            Sums16x64 products = Score(format, p, work, blocks, blockCount, kvHead, g, t, exchange);
            softmax = p.Attention.Softmax(ScaleKeys(format, p, products, blocks, kvHead, t), low, high, start, t);
        }

        if (t == 0)
        {
            int place = (Warps.Index * Queries) + g;
            shared[place] = Interop.FloatAsInt(softmax.State.LowMaximum);
            shared[place + 8] = Interop.FloatAsInt(softmax.State.HighMaximum);
            shared[place + (WarpCount * Queries)] = Interop.FloatAsInt(softmax.State.LowSum);
            shared[place + (WarpCount * Queries) + 8] = Interop.FloatAsInt(softmax.State.HighSum);
        }

        // The queries have been read by all.
        Group.Barrier();
        for (int column = 0; column < p.Attention.HeadDim; column += 64)
        {
            if (seen)
            {
                Sums16x64 sums = Values(format, p, softmax.Weights, blocks, blockCount, kvHead, column / 64, last - start, g, t, exchange);
                int place = (Warps.Index * Queries * 64) + (g * 64);
                Put(format, work, place, t, sums);
            }

            Group.Barrier();
            for (int i = Group.IdxX; i < heads * 64; i += Group.DimX)
            {
                if (column + (i % 64) < p.Attention.HeadDim)
                    FoldUnits(p, shared, work, row, firstHead + (i / 64), i, column + (i % 64), chunks);
            }

            Group.Barrier();
        }

        if (chunks > 1)
            Merge(p, shared, row, firstHead, heads, chunks);
    }

    // The queries as operands, for all warps.
    private static void SplitQueries<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> work, TensorAttention.Query low, TensorAttention.Query high, int t)
        where TFormat : struct, IKvFormat
    {
        int fours = (p.Attention.Keys.Pieces + 3) / 4 * format.Fours;
        for (int i = Warps.Index; i < fours; i += WarpCount)
        {
            int column = 4 * ((((i / format.Fours * 4) + t) * format.Fours) + (i % format.Fours));
            QueryParts parts = p.Attention.LoadQueries(format, low, high, column);
            int place = (i * QueryWords) + (4 * Warps.Lane);
            Put(work, place, parts.High0);
            Put(work, place + (4 * Warps.Size), parts.Low0);
            Put(work, place + (8 * Warps.Size), parts.High1);
            Put(work, place + (12 * Warps.Size), parts.Low1);
        }
    }

    // q k for the blocks of a unit, one after the other, the next pieces on their way meanwhile.
    private static Sums16x64 Score<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> work, TensorAttention.UnitBlocks blocks, int blockCount, int kvHead, int g, int t,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        int pieces = p.Attention.Keys.Pieces, spans = (pieces + 3) / 4, steps = (spans + SpansAtOnce - 1) / SpansAtOnce;
        // See AttentionTileKernel: which row is column g of a tile.
        int words = (((g >> 1) + ((g & 1) * 4)) * pieces * 4) + (4 * t);
        Sums16x64 all = default;
        Sums4 left = default, right = default;
        int block = 0, step = 0;
        KeyPieces keys = LoadKeys(p, blocks.A, kvHead, words, 0, t);
        while (block < blockCount)
        {
            int nextStep = step + 1, nextBlock = block;
            if (nextStep == steps)
            {
                nextStep = 0;
                nextBlock++;
            }

            KeyPieces next = LoadKeys(p, blocks[Math.Min(nextBlock, blockCount - 1)], kvHead, words, nextStep * SpansAtOnce, t);
            int span = step * SpansAtOnce;
            (left, right) = Multiply(format, work, span, keys.A, keys.B, left, right, exchange);
            if (span + 1 < spans)
                (left, right) = Multiply(format, work, span + 1, keys.C, keys.D, left, right, exchange);
            if (span + 2 < spans)
                (left, right) = Multiply(format, work, span + 2, keys.E, keys.F, left, right, exchange);
            if (span + 3 < spans)
                (left, right) = Multiply(format, work, span + 3, keys.G, keys.H, left, right, exchange);
            if (nextStep == 0)
            {
                all.First.A = block == 0 ? left : all.First.A;
                all.First.B = block == 0 ? right : all.First.B;
                all.First.C = block == 1 ? left : all.First.C;
                all.First.D = block == 1 ? right : all.First.D;
                all.Second.A = block == 2 ? left : all.Second.A;
                all.Second.B = block == 2 ? right : all.Second.B;
                all.Second.C = block == 3 ? left : all.Second.C;
                all.Second.D = block == 3 ? right : all.Second.D;
                left = default;
                right = default;
            }

            keys = next;
            block = nextBlock;
            step = nextStep;
        }

        return all;
    }

    private static Sums16x64 ScaleKeys<TFormat>(
        TFormat format, Parameters p, Sums16x64 products, TensorAttention.UnitBlocks blocks, int kvHead, int t)
        where TFormat : struct, IKvFormat
    {
        (products.First.A, products.First.B) = ScaleKeys(format, p, products.First.A, products.First.B, blocks.A, kvHead, t);
        (products.First.C, products.First.D) = ScaleKeys(format, p, products.First.C, products.First.D, blocks.B, kvHead, t);
        (products.Second.A, products.Second.B) = ScaleKeys(format, p, products.Second.A, products.Second.B, blocks.C, kvHead, t);
        (products.Second.C, products.Second.D) = ScaleKeys(format, p, products.Second.C, products.Second.D, blocks.D, kvHead, t);
        return products;
    }

    // Both tiles of a block.
    private static (Sums4 First, Sums4 Second) ScaleKeys<TFormat>(
        TFormat format, Parameters p, Sums4 first, Sums4 second, int block, int kvHead, int t)
        where TFormat : struct, IKvFormat
    {
        long head = p.Attention.Keys.Head(block * KvCacheShape.BlockSize, kvHead) + t;
        return (
            TensorAttention.Parameters.ScaleKeys(first, KeyScale(format, p, head), KeyScale(format, p, head + 4)),
            TensorAttention.Parameters.ScaleKeys(second, KeyScale(format, p, head + 8), KeyScale(format, p, head + 12)));
    }

    private static float KeyScale<TFormat>(TFormat format, Parameters p, long head)
        where TFormat : struct, IKvFormat => p.Attention.KeyScale(format, format.HasScales != 0 ? p.Attention.Keys.Scale(head) : 1);

    private static KeyPieces LoadKeys(Parameters p, int block, int kvHead, int words, int span, int t)
    {
        int pieces = p.Attention.Keys.Pieces, piece = (4 * span) + t;
        long word = p.Attention.Keys.BlockStart(block, kvHead) + words + (16 * span);
        KeyPieces keys = default;
        if (piece < pieces)
        {
            keys.A = p.Attention.Keys.LoadWords(word);
            keys.B = p.Attention.Keys.LoadWords(word + (32 * pieces));
        }

        if (piece + 4 < pieces)
        {
            keys.C = p.Attention.Keys.LoadWords(word + 16);
            keys.D = p.Attention.Keys.LoadWords(word + (32 * pieces) + 16);
        }

        if (piece + 8 < pieces)
        {
            keys.E = p.Attention.Keys.LoadWords(word + 32);
            keys.F = p.Attention.Keys.LoadWords(word + (32 * pieces) + 32);
        }

        if (piece + 12 < pieces)
        {
            keys.G = p.Attention.Keys.LoadWords(word + 48);
            keys.H = p.Attention.Keys.LoadWords(word + (32 * pieces) + 48);
        }

        return keys;
    }

    private static (Sums4 Left, Sums4 Right) Multiply<TFormat>(
        TFormat format, ArrayView<uint> work, int span, Words4 left, Words4 right, Sums4 leftSums, Sums4 rightSums, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        (leftSums, rightSums) = MultiplyFour(format, work, span, 0, left, right, leftSums, rightSums, exchange);
        if (format.Fours > 1)
            (leftSums, rightSums) = MultiplyFour(format, work, span, 1, left, right, leftSums, rightSums, exchange);
        if (format.Fours > 2)
        {
            (leftSums, rightSums) = MultiplyFour(format, work, span, 2, left, right, leftSums, rightSums, exchange);
            (leftSums, rightSums) = MultiplyFour(format, work, span, 3, left, right, leftSums, rightSums, exchange);
        }

        return (leftSums, rightSums);
    }

    private static (Sums4 Left, Sums4 Right) MultiplyFour<TFormat>(
        TFormat format, ArrayView<uint> work, int span, int four, Words4 left, Words4 right, Sums4 leftSums, Sums4 rightSums,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        int place = (((span * format.Fours) + four) * QueryWords) + (4 * Warps.Lane);
        var query = new QueryParts
        {
            High0 = WideMemory.LoadShared(work, place),
            Low0 = WideMemory.LoadShared(work, place + (4 * Warps.Size)),
            High1 = WideMemory.LoadShared(work, place + (8 * Warps.Size)),
            Low1 = WideMemory.LoadShared(work, place + (12 * Warps.Size)),
        };
        Floats4 l = format.Four(left, four), r = format.Four(right, four);
        leftSums = TwoPartProduct.Multiply(format, query.High0, query.Low0, new Pair { X = l.X, Y = l.Y }, leftSums, exchange);
        rightSums = TwoPartProduct.Multiply(format, query.High0, query.Low0, new Pair { X = r.X, Y = r.Y }, rightSums, exchange);
        leftSums = TwoPartProduct.Multiply(format, query.High1, query.Low1, new Pair { X = l.Z, Y = l.W }, leftSums, exchange);
        return (leftSums, TwoPartProduct.Multiply(format, query.High1, query.Low1, new Pair { X = r.Z, Y = r.W }, rightSums, exchange));
    }

    // The unit's weights times 64 columns of its values.
    private static Sums16x64 Values<TFormat>(
        TFormat format, Parameters p, Sums16x64 weights, TensorAttention.UnitBlocks blocks, int blockCount, int kvHead, int columns, int last,
        int g, int t, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        Sums16x64 sums = default;
        int word = (columns * format.BlockWords) + format.ValueWord(g);
        BlockValues values = LoadValues(format, p, blocks.A, kvHead, word, last, g, t);
        for (int block = 0; block < blockCount; block++)
        {
            int next = Math.Min(block + 1, blockCount - 1);
            BlockValues nextValues = LoadValues(format, p, blocks[next], kvHead, word, last - (next * KvCacheShape.BlockSize), g, t);
            Sums4 first = block == 0 ? weights.First.A : block == 1 ? weights.First.C : block == 2 ? weights.Second.A : weights.Second.C;
            Sums4 second = block == 0 ? weights.First.B : block == 1 ? weights.First.D : block == 2 ? weights.Second.B : weights.Second.D;
            if (format.HasScales != 0)
            {
                long head = p.Attention.Values.Head(blocks[block] * KvCacheShape.BlockSize, kvHead) + t;
                first = TensorAttention.Parameters.ScaleValues(first, p.Attention.Values.Scale(head), p.Attention.Values.Scale(head + 4));
                second = TensorAttention.Parameters.ScaleValues(second, p.Attention.Values.Scale(head + 8), p.Attention.Values.Scale(head + 12));
            }

            sums = TwoPartProduct.AddValues(format, first, values.A, values.B, sums, exchange);
            sums = TwoPartProduct.AddValues(format, second, values.C, values.D, sums, exchange);
            values = nextValues;
        }

        return sums;
    }

    // Rows t, t + 4, t + 8 and t + 12 of a block; zeros behind its last position that counts.
    private static BlockValues LoadValues<TFormat>(TFormat format, Parameters p, int block, int kvHead, int word, int last, int g, int t)
        where TFormat : struct, IKvFormat
    {
        int rowWords = p.Attention.Values.Pieces * 4;
        long start = p.Attention.Values.BlockStart(block, kvHead) + (t * rowWords) + word;
        return new BlockValues
        {
            A = LoadRow(format, p, start, word, g, t <= last),
            B = LoadRow(format, p, start + (4 * rowWords), word, g, t + 4 <= last),
            C = LoadRow(format, p, start + (8 * rowWords), word, g, t + 8 <= last),
            D = LoadRow(format, p, start + (12 * rowWords), word, g, t + 12 <= last),
        };
    }

    private static ValuePieces LoadRow<TFormat>(TFormat format, Parameters p, long start, int word, int g, bool counts)
        where TFormat : struct, IKvFormat
    {
        int rowWords = p.Attention.Values.Pieces * 4;
        ValuePieces pieces = default;
        if (counts && word < rowWords)
            pieces.First = format.Own(p.Attention.Values.LoadWords(start), g);
        if (format.TwoPieces != 0 && counts && word + 32 < rowWords)
            pieces.Second = format.Own(p.Attention.Values.LoadWords(start + 32), g);
        return pieces;
    }

    private static void Put<TFormat>(TFormat format, ArrayView<uint> work, int place, int t, Sums16x64 sums)
        where TFormat : struct, IKvFormat
    {
        Put(format, work, place, t, 0, sums.First.A);
        Put(format, work, place, t, 1, sums.First.B);
        Put(format, work, place, t, 2, sums.First.C);
        Put(format, work, place, t, 3, sums.First.D);
        Put(format, work, place, t, 4, sums.Second.A);
        Put(format, work, place, t, 5, sums.Second.B);
        Put(format, work, place, t, 6, sums.Second.C);
        Put(format, work, place, t, 7, sums.Second.D);
    }

    private static void Put<TFormat>(TFormat format, ArrayView<uint> work, int place, int t, int tile, Sums4 sums)
        where TFormat : struct, IKvFormat
    {
        int first = place + (t * format.ColumnsPerLane) + format.Column(tile), second = first + (format.ColumnsPerLane / 2);
        work[first] = Interop.FloatAsInt(sums.X);
        work[second] = Interop.FloatAsInt(sums.Y);
        work[first + (8 * 64)] = Interop.FloatAsInt(sums.Z);
        work[second + (8 * 64)] = Interop.FloatAsInt(sums.W);
    }

    private static void Put(ArrayView<uint> work, int place, Words4 words)
    {
        work[place] = words.X;
        work[place + 1] = words.Y;
        work[place + 2] = words.Z;
        work[place + 3] = words.W;
    }

    // One number of a head over the units of the group's chunk: to y, or to the parts.
    private static void FoldUnits(
        Parameters p, ArrayView<uint> shared, ArrayView<uint> work, int row, int head, int place, int d, int chunks)
    {
        float maximum = float.NegativeInfinity, sum = 0, value = 0;
        for (int unit = 0; unit < WarpCount; unit++)
        {
            int statistic = (unit * Queries) + (place / 64);
            float unitMaximum = Interop.IntAsFloat(shared[statistic]);
            // A unit that is not seen changes nothing, and has no values.
            if (unitMaximum == float.NegativeInfinity)
                continue;
            float next = MathF.Max(maximum, unitMaximum);
            float keep = SoftmaxState.Weight(maximum, next), add = SoftmaxState.Weight(unitMaximum, next);
            value = KernelMath.FusedMultiplyAdd(value, keep, Interop.IntAsFloat(work[(unit * Queries * 64) + place]) * add);
            sum = KernelMath.FusedMultiplyAdd(sum, keep, Interop.IntAsFloat(shared[statistic + (WarpCount * Queries)]) * add);
            maximum = next;
        }

        if (chunks == 1)
        {
            p.Attention.Y[row, (head * p.Attention.HeadDim) + d] = value * (1 / sum);
            return;
        }

        long part = p.Part(Grid.IdxZ, row, head);
        p.Parts[part + 2 + d] = value;
        if (d == 0)
        {
            p.Parts[part] = maximum;
            p.Parts[part + 1] = sum;
        }
    }

    // The last group of a row and kv head to come here merges the parts of all, which it sees: each has written its own before it came.
    private static void Merge(Parameters p, ArrayView<uint> shared, int row, int firstHead, int heads, int chunks)
    {
        const int Flag = 2 * WarpCount * Queries;
        if (Group.IdxX == 0)
        {
            MemoryFence.DeviceLevel();
            ref int arrivals = ref p.Arrivals[((long)row * Grid.DimY) + Grid.IdxY];
            bool isLast = Atomic.Add(ref arrivals, 1) == chunks - 1;
            // For the next launch.
            if (isLast)
                arrivals = 0;
            MemoryFence.DeviceLevel();
            shared[Flag] = isLast ? 1u : 0u;
        }

        Group.Barrier();
        if (shared[Flag] == 0)
            return;
        for (int i = Group.IdxX; i < heads * p.Attention.HeadDim; i += Group.DimX)
        {
            int head = firstHead + (i / p.Attention.HeadDim), d = i % p.Attention.HeadDim;
            float maximum = float.NegativeInfinity, sum = 0, value = 0;
            for (int chunk = 0; chunk < chunks; chunk++)
            {
                long part = p.Part(chunk, row, head);
                float partMaximum = p.Parts[part], next = MathF.Max(maximum, partMaximum);
                float keep = SoftmaxState.Weight(maximum, next), add = SoftmaxState.Weight(partMaximum, next);
                value = KernelMath.FusedMultiplyAdd(value, keep, p.Parts[part + 2 + d] * add);
                sum = KernelMath.FusedMultiplyAdd(sum, keep, p.Parts[part + 1] * add);
                maximum = next;
            }

            p.Attention.Y[row, (head * p.Attention.HeadDim) + d] = value * (1 / sum);
        }
    }

    // The queries, and when they have been read the sums of values of each unit.
    private static int WorkWords(int headDim, DType type)
    {
        int fours = type == DType.F32 ? 1 : type == DType.BF16 ? 2 : 4, width = 16 * fours;
        return Math.Max((headDim + width - 1) / width * fours * QueryWords, WarpCount * Queries * 64);
    }

    /// <summary>Pieces of keys: for four spans, of rows 0 to 7 and 8 to 15 of a block.</summary>
    private struct KeyPieces
    {
        public Words4 A;
        public Words4 B;
        public Words4 C;
        public Words4 D;
        public Words4 E;
        public Words4 F;
        public Words4 G;
        public Words4 H;
    }

    /// <summary>A lane's rows of a block of values.</summary>
    private struct BlockValues
    {
        public ValuePieces A;
        public ValuePieces B;
        public ValuePieces C;
        public ValuePieces D;
    }

    internal struct Parameters
    {
        public TensorAttention.Parameters Attention;

        /// <summary>[chunks, rows, heads]: maximum, sum, and the sums of values [head dim].</summary>
        public ArrayView<float> Parts;

        /// <summary>Groups of each row, kv head and block of heads that are done.</summary>
        public ArrayView<int> Arrivals;
        public int HeadBlocks;
        public int ExchangeStart;

        public readonly long Part(int chunk, int row, int head) =>
            ((((long)chunk * Attention.Q.Rows) + row) * Attention.Heads + head) * (Attention.HeadDim + 2);
    }
}
