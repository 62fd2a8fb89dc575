using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Attention of contexts with several rows, see <see cref="TensorAttention"/>. A group has 64 queries (rows times heads of one kv head), 16 to a warp, which
/// share each unit of keys and values: it comes to shared memory by asynchronous copies, values while keys are multiplied and the other way round. The sums
/// of a chunk are in registers and those of the chunks before it in y.
/// </summary>
internal static class AttentionTileKernel
{
    private const int WarpCount = 4;
    private const int QueriesPerWarp = 16;
    private const int Queries = WarpCount * QueriesPerWarp;

    /// <summary>Columns of values of a group; wider heads take several.</summary>
    private const int MaxColumns = 128;

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

    public static void Run(IlgpuDevice device, DType type, TensorAttention.Parameters attention)
    {
        int headDim = attention.HeadDim, headsPerGroup = Math.Min(attention.Sharing, Queries);
        var shape = new KvCacheShape(1, 1, attention.Keys.NumKvHeads, headDim, type);
        (int keys, int values) = UnitWords(shape);
        int valuePieces = MaxColumns / attention.Values.NumbersPerPiece;
        int scales = type == DType.Int8 ? 2 * TensorAttention.UnitSize : 0;
        bool overlaps = keys + values + scales <= SharedWords;
        int scaleStart = overlaps ? keys + values : Math.Max(keys, values);
        var parameters = new Parameters
        {
            Attention = attention,
            HeadsPerGroup = headsPerGroup,
            HeadBlocks = (attention.Sharing + headsPerGroup - 1) / headsPerGroup,
            RowsPerGroup = Queries / headsPerGroup,
            KeyStride = KeyStride(shape),
            ValueStride = ValueStride(shape),
            ValuePieces = valuePieces,
            KeyShift = TensorAttention.Parameters.CopyShift(attention.Keys.Pieces),
            ValueShift = TensorAttention.Parameters.CopyShift(Math.Min(attention.Values.Pieces, valuePieces)),
            ValueStart = overlaps ? keys : 0,
            ScaleStart = scaleStart,
            ExchangeStart = scaleStart + scales,
            Overlaps = overlaps ? 1 : 0,
        };
        int down = (attention.Q.Rows + parameters.RowsPerGroup - 1) / parameters.RowsPerGroup;
        bool wide = headDim > 64;
        Action<Parameters> body = type switch
        {
            DType.F32 => wide ? AttentionWideTileF32 : AttentionTileF32,
            DType.BF16 => wide ? AttentionWideTileBF16 : AttentionTileBF16,
            _ => wide ? AttentionWideTileInt8 : AttentionTileInt8,
        };
        device.LaunchGroups(
            body, new Index3D(down, attention.Keys.NumKvHeads * parameters.HeadBlocks, (headDim + MaxColumns - 1) / MaxColumns),
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
        int heads = Math.Min(p.HeadsPerGroup, p.Attention.Sharing - firstHead);
        // The last rows have the most to do and so come first.
        int row = (Grid.DimX - 1 - Grid.IdxX) * p.RowsPerGroup, end = Math.Min(row + p.RowsPerGroup, p.Attention.Q.Rows);
        while (row < end)
        {
            int next = row + 1;
            while (next < end && p.Attention.RowContext[next] == p.Attention.RowContext[row])
                next++;
            if (p.Attention.Mixed == 0 || !p.Attention.IsSingle(row))
                AttendRows<TFormat, TWidth>(p, shared, row, next, kvHead, (kvHead * p.Attention.Sharing) + firstHead, heads);
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
        p.Copy(shared, 0, row, kvHead, unit, last);
        WideMemory.EndStage();
        if (p.Overlaps != 0)
            p.Copy(shared, 1, row, kvHead, unit, last);
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
                p.Copy(shared, 1 - p.Overlaps, row, kvHead, unit + p.Overlaps, last);
            WideMemory.EndStage();
            if (p.Overlaps == 0)
                WideMemory.EndStage();
            TensorAttention.UnitSoftmax softmax = p.Attention.Softmax(scores, low, high, start, t);
            WideMemory.WaitForAllBut(1);
            Group.Barrier();
            if (works)
            {
                Sums16x64 weights = ScaleValues(format, p, shared, softmax.Weights, t);
                (Sums16x64 unitLeft, Sums16x64 unitRight) = Values(format, width, p, shared, weights, g, t, exchange);
                (chunk, FoldFactors keeps) = chunk.Fold(softmax.State);
                left = left.Fold(keeps, unitLeft);
                if (width.Blocks > 1)
                    right = right.Fold(keeps, unitRight);
            }

            Group.Barrier();
            if (unit < lastUnit)
                p.Copy(shared, p.Overlaps, row, kvHead, unit + 1, last);
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
                    Put(format, p, low, high, d + 64, t, right, factors, lowScale, highScale);
                left = default;
                right = default;
                chunk = SoftmaxState.Empty;
            }
        }
    }

    // q k of the warp's queries with half of the unit's keys, span by span.
    private static Sums16x32 Score<TFormat>(
        TFormat format, Parameters p, ArrayView<uint> shared, TensorAttention.Query low, TensorAttention.Query high, int half, int g, int t,
        ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        Sums16x32 sums = default;
        // Column g of a tile is its row g / 2, and 4 more where g is odd: see TwoPartProduct.AddValues.
        int tile = 8 * p.KeyStride, row = (4 * half * tile) + (((g >> 1) + ((g & 1) * 4)) * p.KeyStride), pieces = p.Attention.Keys.Pieces;
        for (int first = 0; first < pieces; first += 4)
        {
            // What is multiplied with a piece behind the head is zero: any number of the row will do.
            int piece = first + t, word = row + (piece < pieces ? 4 * piece : 0);
            Words4 a = WideMemory.LoadShared(shared, word), b = WideMemory.LoadShared(shared, word + tile);
            Words4 c = WideMemory.LoadShared(shared, word + (2 * tile)), d = WideMemory.LoadShared(shared, word + (3 * tile));
            sums = Multiply(format, p, low, high, piece, 0, sums, a, b, c, d, exchange);
            if (format.Fours > 1)
                sums = Multiply(format, p, low, high, piece, 1, sums, a, b, c, d, exchange);
            if (format.Fours > 2)
            {
                sums = Multiply(format, p, low, high, piece, 2, sums, a, b, c, d, exchange);
                sums = Multiply(format, p, low, high, piece, 3, sums, a, b, c, d, exchange);
            }
        }

        return sums;
    }

    // Four numbers of each query with those of the lane's pieces of four tiles of keys.
    private static Sums16x32 Multiply<TFormat>(
        TFormat format, Parameters p, TensorAttention.Query low, TensorAttention.Query high, int piece, int four, Sums16x32 sums,
        Words4 a, Words4 b, Words4 c, Words4 d, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        int column = 4 * ((piece * format.Fours) + four);
        (Floats4 lowFour, Floats4 highFour) = p.Attention.LoadQueries(format, low, high, column);
        QueryParts query = TwoPartProduct.Split(lowFour, highFour);
        Floats4 ka = format.Four(a, four), kb = format.Four(b, four), kc = format.Four(c, four), kd = format.Four(d, four);
        var first = new Pairs4
        {
            A = new Pair { X = ka.X, Y = ka.Y },
            B = new Pair { X = kb.X, Y = kb.Y },
            C = new Pair { X = kc.X, Y = kc.Y },
            D = new Pair { X = kd.X, Y = kd.Y },
        };
        sums = TwoPartProduct.Multiply(format, query.High0, query.Low0, first, sums, exchange);
        var second = new Pairs4
        {
            A = new Pair { X = ka.Z, Y = ka.W },
            B = new Pair { X = kb.Z, Y = kb.W },
            C = new Pair { X = kc.Z, Y = kc.W },
            D = new Pair { X = kd.Z, Y = kd.W },
        };
        return TwoPartProduct.Multiply(format, query.High1, query.Low1, second, sums, exchange);
    }

    private static Sums16x64 ScaleKeys<TFormat>(TFormat format, Parameters p, ArrayView<uint> shared, Sums16x64 s, int t)
        where TFormat : struct, IKvFormat
    {
        ArrayView<uint> scales = shared.SubView(p.ScaleStart + t);
        s.First.A = TensorAttention.Parameters.ScaleKeys(s.First.A, KeyScale(format, p, scales, 0), KeyScale(format, p, scales, 4));
        s.First.B = TensorAttention.Parameters.ScaleKeys(s.First.B, KeyScale(format, p, scales, 8), KeyScale(format, p, scales, 12));
        s.First.C = TensorAttention.Parameters.ScaleKeys(s.First.C, KeyScale(format, p, scales, 16), KeyScale(format, p, scales, 20));
        s.First.D = TensorAttention.Parameters.ScaleKeys(s.First.D, KeyScale(format, p, scales, 24), KeyScale(format, p, scales, 28));
        s.Second.A = TensorAttention.Parameters.ScaleKeys(s.Second.A, KeyScale(format, p, scales, 32), KeyScale(format, p, scales, 36));
        s.Second.B = TensorAttention.Parameters.ScaleKeys(s.Second.B, KeyScale(format, p, scales, 40), KeyScale(format, p, scales, 44));
        s.Second.C = TensorAttention.Parameters.ScaleKeys(s.Second.C, KeyScale(format, p, scales, 48), KeyScale(format, p, scales, 52));
        s.Second.D = TensorAttention.Parameters.ScaleKeys(s.Second.D, KeyScale(format, p, scales, 56), KeyScale(format, p, scales, 60));
        return s;
    }

    private static Sums16x64 ScaleValues<TFormat>(TFormat format, Parameters p, ArrayView<uint> shared, Sums16x64 s, int t)
        where TFormat : struct, IKvFormat
    {
        if (format.HasScales == 0)
            return s;
        ArrayView<uint> scales = shared.SubView(p.ScaleStart + TensorAttention.UnitSize + t);
        s.First.A = TensorAttention.Parameters.ScaleValues(s.First.A, Number(scales, 0), Number(scales, 4));
        s.First.B = TensorAttention.Parameters.ScaleValues(s.First.B, Number(scales, 8), Number(scales, 12));
        s.First.C = TensorAttention.Parameters.ScaleValues(s.First.C, Number(scales, 16), Number(scales, 20));
        s.First.D = TensorAttention.Parameters.ScaleValues(s.First.D, Number(scales, 24), Number(scales, 28));
        s.Second.A = TensorAttention.Parameters.ScaleValues(s.Second.A, Number(scales, 32), Number(scales, 36));
        s.Second.B = TensorAttention.Parameters.ScaleValues(s.Second.B, Number(scales, 40), Number(scales, 44));
        s.Second.C = TensorAttention.Parameters.ScaleValues(s.Second.C, Number(scales, 48), Number(scales, 52));
        s.Second.D = TensorAttention.Parameters.ScaleValues(s.Second.D, Number(scales, 56), Number(scales, 60));
        return s;
    }

    private static float KeyScale<TFormat>(TFormat format, Parameters p, ArrayView<uint> scales, int position)
        where TFormat : struct, IKvFormat => p.Attention.KeyScale(format, format.HasScales != 0 ? Number(scales, position) : 1);

    private static float Number(ArrayView<uint> words, int i) => Interop.IntAsFloat(words[i]);

    // The unit's weights times its values, in a block of 64 columns or two.
    private static (Sums16x64 Left, Sums16x64 Right) Values<TFormat, TWidth>(
        TFormat format, TWidth width, Parameters p, ArrayView<uint> shared, Sums16x64 weights, int g, int t, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
        where TWidth : struct, IWidth
    {
        Sums16x64 left = default, right = default;
        int stride = ValueStride(format.BlockWords, width.Blocks), tile = 8 * stride;
        // From here on all distances are constants, which a load takes with it.
        ArrayView<uint> values = shared.SubView(p.ValueStart + (t * stride) + format.ValueWord(g));
        (left, right) = AddTile(format, width, values, weights.First.A, 0, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.First.B, tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.First.C, 2 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.First.D, 3 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.Second.A, 4 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.Second.B, 5 * tile, left, right, g, exchange);
        (left, right) = AddTile(format, width, values, weights.Second.C, 6 * tile, left, right, g, exchange);
        return AddTile(format, width, values, weights.Second.D, 7 * tile, left, right, g, exchange);
    }

    // Eight positions.
    private static (Sums16x64 Left, Sums16x64 Right) AddTile<TFormat, TWidth>(
        TFormat format, TWidth width, ArrayView<uint> values, Sums4 weights, int word, Sums16x64 left, Sums16x64 right, int g, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
        where TWidth : struct, IWidth
    {
        int odd = word + (4 * ValueStride(format.BlockWords, width.Blocks));
        left = AddBlock(format, values, weights, word, odd, left, g, exchange);
        if (width.Blocks > 1)
            right = AddBlock(format, values, weights, word + format.BlockWords, odd + format.BlockWords, right, g, exchange);
        return (left, right);
    }

    private static Sums16x64 AddBlock<TFormat>(
        TFormat format, ArrayView<uint> values, Sums4 weights, int evenWord, int oddWord, Sums16x64 sums, int g, ArrayView<uint> exchange)
        where TFormat : struct, IKvFormat
    {
        ValuePieces even = default, odd = default;
        even.First = format.Own(WideMemory.LoadShared(values, evenWord), g);
        odd.First = format.Own(WideMemory.LoadShared(values, oddWord), g);
        if (format.TwoPieces != 0)
        {
            even.Second = format.Own(WideMemory.LoadShared(values, evenWord + 32), g);
            odd.Second = format.Own(WideMemory.LoadShared(values, oddWord + 32), g);
        }

        return TwoPartProduct.AddValues(format, weights, even, odd, sums, exchange);
    }

    // y = (y keep + sums add) * scale for the lane's numbers of 64 columns from d on.
    private static void Put<TFormat>(
        TFormat format, Parameters p, TensorAttention.Query low, TensorAttention.Query high, int d, int t, Sums16x64 sums,
        FoldFactors factors, float lowScale, float highScale)
        where TFormat : struct, IKvFormat
    {
        d += t * format.ColumnsPerLane;
        // The second half of a block is its last 32 columns, or as near as the first.
        bool first = d < p.Attention.HeadDim, second = d + format.Column(4) < p.Attention.HeadDim;
        if (low.Row >= 0)
        {
            ArrayView<float> y = p.Attention.Y.From(low.Row, (low.Head * p.Attention.HeadDim) + d);
            if (first)
                Put(format, y, 0, sums.First.A.X, sums.First.B.X, sums.First.C.X, sums.First.D.X, sums.First.A.Y, sums.First.B.Y, sums.First.C.Y, sums.First.D.Y, factors.LowKeep, factors.LowAdd, lowScale);
            if (second)
                Put(format, y, 4, sums.Second.A.X, sums.Second.B.X, sums.Second.C.X, sums.Second.D.X, sums.Second.A.Y, sums.Second.B.Y, sums.Second.C.Y, sums.Second.D.Y, factors.LowKeep, factors.LowAdd, lowScale);
        }

        if (high.Row >= 0)
        {
            ArrayView<float> y = p.Attention.Y.From(high.Row, (high.Head * p.Attention.HeadDim) + d);
            if (first)
                Put(format, y, 0, sums.First.A.Z, sums.First.B.Z, sums.First.C.Z, sums.First.D.Z, sums.First.A.W, sums.First.B.W, sums.First.C.W, sums.First.D.W, factors.HighKeep, factors.HighAdd, highScale);
            if (second)
                Put(format, y, 4, sums.Second.A.Z, sums.Second.B.Z, sums.Second.C.Z, sums.Second.D.Z, sums.Second.A.W, sums.Second.B.W, sums.Second.C.W, sums.Second.D.W, factors.HighKeep, factors.HighAdd, highScale);
        }
    }

    // Columns 2t of four tiles, and columns 2t + 1.
    private static void Put<TFormat>(
        TFormat format, ArrayView<float> y, int tile, float a, float b, float c, float d, float e, float f, float g, float h,
        float keep, float add, float scale)
        where TFormat : struct, IKvFormat
    {
        int first = format.Column(tile), second = first + (format.ColumnsPerLane / 2);
        Put(y, first, a, keep, add, scale);
        Put(y, first + 1, b, keep, add, scale);
        Put(y, first + 2, c, keep, add, scale);
        Put(y, first + 3, d, keep, add, scale);
        Put(y, second, e, keep, add, scale);
        Put(y, second + 1, f, keep, add, scale);
        Put(y, second + 2, g, keep, add, scale);
        Put(y, second + 3, h, keep, add, scale);
    }

    private static void Put(ArrayView<float> y, int column, float value, float keep, float add, float scale)
    {
        // Where nothing is kept nothing may have been written yet.
        float total = value * add;
        if (keep != 0)
            total = KernelMath.FusedMultiplyAdd(y[column], keep, total);
        y[column] = total * scale;
    }

    // Rows lie so that the lanes which read 16 bytes at once meet in no bank: rows r and r + 4 of keys, rows r to r + 3 of values.
    private static int KeyStride(KvCacheShape shape) => (((int)KvView.HeadWords(shape) + 15) / 16 * 16) + 4;

    private static int ValueStride(int blockWords, int blocks) => (blockWords * blocks) + 8;

    private static int ValueStride(KvCacheShape shape) => ValueStride((int)KvView.HeadWords(shape with { HeadDim = 64 }), shape.HeadDim > 64 ? 2 : 1);

    // Values are read to the end of a block of 64 columns, whether a head has them or not.
    private static (int Keys, int Values) UnitWords(KvCacheShape shape) =>
        (TensorAttention.UnitSize * KeyStride(shape), TensorAttention.UnitSize * ValueStride(shape));

    /// <summary>How many blocks of 64 columns a warp sums.</summary>
    private interface IWidth
    {
        int Blocks { get; }
    }

    private struct Narrow : IWidth
    {
        public readonly int Blocks => 1;
    }

    private struct Wide : IWidth
    {
        public readonly int Blocks => 2;
    }

    internal struct Parameters
    {
        public TensorAttention.Parameters Attention;
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

        /// <summary>Begins to copy a unit's keys (0) or values (1); positions behind <paramref name="last"/> become zeros.</summary>
        public readonly void Copy(ArrayView<uint> shared, int what, int row, int kvHead, int unit, int last)
        {
            long table = (long)Attention.RowContext[row] * Attention.BlockTableStride;
            KvView view = what == 0 ? Attention.Keys : Attention.Values;
            int target = what == 0 ? 0 : ValueStart, stride = what == 0 ? KeyStride : ValueStride;
            int firstPiece = what == 0 ? 0 : Grid.IdxZ * ValuePieces, pieces = what == 0 ? view.Pieces : Math.Min(view.Pieces - firstPiece, ValuePieces);
            if (view.Type == DType.Int8 && Group.IdxX < TensorAttention.UnitSize / 4)
            {
                int position = 4 * Group.IdxX;
                int block = BlockOf(table, (unit * TensorAttention.UnitSize) + position, last);
                view.CopyScales(shared, ScaleStart + (what * TensorAttention.UnitSize) + position, block, kvHead, position % KvCacheShape.BlockSize);
            }

            for (int first = 0; first < TensorAttention.UnitSize; first += KvCacheShape.BlockSize)
            {
                int position = (unit * TensorAttention.UnitSize) + first;
                TensorAttention.Parameters.CopyBlock(
                    view, shared.SubView(target + (first * stride)), stride, BlockOf(table, position, last), kvHead, firstPiece, pieces,
                    what == 0 ? KeyShift : ValueShift, last - position);
            }
        }

        // The block of a position; of one behind the last, the last's.
        private readonly int BlockOf(long table, int position, int last) => Attention.BlockTables[table + (Math.Min(position, last) / KvCacheShape.BlockSize)];
    }
}
