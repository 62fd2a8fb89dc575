using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// One thread's work on attention. A query is one head of one row; all query heads of a kv head go through its keys and values together, in tiles of
/// as many queries as the registers hold.
/// </summary>
internal sealed unsafe class AttentionWorker(int maxQueries) : IDisposable
{
    private const int Chunk = AttentionArgs.Chunk;

    // Room for a number of each query of a tile, in whole vectors.
    private const int TileLanes = 16;

    // Maximum and sum follow the values of a chunk that is kept apart, in a cache line of their own.
    private const int PartLength = 16;

    private readonly Scratch<Query> _queries = new();
    private readonly Scratch<float> _packed = new();
    private readonly Scratch<float> _totals = new();
    private readonly Scratch<float> _tile = new();

    /// <summary>
    /// Numbers of a query's chunk that is kept apart: the summed values, whole planes of them, the maximum and the sum of the weights.
    /// </summary>
    public static int RecordLength(int headDim) => Width(headDim) + PartLength;

    /// <summary>Runs an item that has all that its rows see, and has the first of the next fetched.</summary>
    public void Run(in AttentionArgs args, in AttentionWork work, in AttentionWork next)
    {
        var item = work.Item;
        int headDim = args.Cache.Shape.HeadDim, width = Width(headDim), queries = item.Rows * args.HeadsPerKvHead, lanes = queries + TileLanes;
        float* values = _totals.Reserve(((long)queries * width) + (2 * lanes));
        float* maxima = values + (queries * width), sums = maxima + lanes;
        new Span<float>(maxima, lanes).Fill(float.NegativeInfinity);
        new Span<float>(sums, lanes).Clear();
        Pack(args, work);
        var part = new TileMemory(_tile, maxQueries, width);
        AttentionTileArgs tile = default;
        for (int chunk = item.FirstChunk; chunk < item.EndChunk; chunk++)
        {
            work.Find(chunk, next, &tile);
            for (int first = 0; first < queries;)
            {
                int count = TileOf(first, queries);
                RunChunk(args, work, chunk, first, count, &tile, part);
                Join(values + (first * width), maxima + first, sums + first, part, count, width);
                first += count;
            }
        }

        for (int query = 0; query < queries; query++)
            AttentionSoftmax.Scale(values + (query * width), 1 / sums[query], _queries.Data[query].Y, headDim);
    }

    /// <summary>Runs an item that has only part of what its rows see, keeps its chunks apart, and has the first of the next item fetched.</summary>
    public void RunParts(in AttentionArgs args, in AttentionWork work, in AttentionWork next, AttentionPlan plan, float* records)
    {
        var item = work.Item;
        int width = Width(args.Cache.Shape.HeadDim), share = args.HeadsPerKvHead, queries = item.Rows * share;
        Pack(args, work);
        var part = new TileMemory(_tile, maxQueries, width);
        AttentionTileArgs tile = default;
        for (int chunk = item.FirstChunk; chunk < item.EndChunk; chunk++)
        {
            work.Find(chunk, next, &tile);
            for (int first = 0; first < queries;)
            {
                int count = TileOf(first, queries);
                RunChunk(args, work, chunk, first, count, &tile, part);
                for (int i = 0; i < count; i++, first++)
                {
                    float* record = Record(args, plan, records, item.FirstRow + (first / share), (work.KvHead * share) + (first % share), chunk);
                    Unsafe.CopyBlockUnaligned(record, part.Values + (i * width), (uint)(width * sizeof(float)));
                    record[width] = part.Maxima[i];
                    record[width + 1] = part.Sums[i];
                }
            }
        }
    }

    /// <summary>Joins the chunks of a row for the query heads of a kv head.</summary>
    public void Join(in AttentionArgs args, int row, int kvHead, AttentionPlan plan, float* records)
    {
        int headDim = args.Cache.Shape.HeadDim, width = Width(headDim);
        float* values = _totals.Reserve(width + (2 * TileLanes));
        float* maximum = values + width, sum = maximum + TileLanes;
        var part = new TileMemory(_tile, maxQueries, width);
        part.Clear();
        for (int i = 0; i < args.HeadsPerKvHead; i++)
        {
            int head = (kvHead * args.HeadsPerKvHead) + i;
            *maximum = float.NegativeInfinity;
            *sum = 0;
            for (int chunk = args.FirstChunk(row); chunk < args.EndChunk(row); chunk++)
            {
                float* record = Record(args, plan, records, row, head, chunk);
                *part.Maxima = record[width];
                *part.Sums = record[width + 1];
                Join(values, maximum, sum, part with { Values = record }, 1, width);
            }
            AttentionSoftmax.Scale(values, 1 / *sum, args.Y.Row(row) + (head * headDim), headDim);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _queries.Dispose();
        _packed.Dispose();
        _totals.Dispose();
        _tile.Dispose();
    }

    private static int Width(int headDim) => (headDim + HostKvCache.PlaneWidth - 1) / HostKvCache.PlaneWidth * HostKvCache.PlaneWidth;

    private static float* Record(in AttentionArgs args, AttentionPlan plan, float* records, int row, int head, int chunk) =>
        records + ((plan.FirstRecord(row) + ((long)head * args.EndChunk(row)) + chunk) * RecordLength(args.Cache.Shape.HeadDim));

    // Adds a tile's chunk to what its queries have of the chunks before.
    private static void Join(float* values, float* maxima, float* sums, TileMemory part, int count, int width)
    {
        int seen = 0, begun = 0;
        for (int i = 0; i < count; i++)
        {
            seen |= part.Sums[i] != 0 ? 1 << i : 0;
            begun |= sums[i] != 0 ? 1 << i : 0;
        }
        AttentionSoftmax.Join(maxima, sums, part.Maxima, part.Sums, count);
        for (int i = 0; i < count; i++, values += width)
        {
            float* added = part.Values + (i * width);
            if ((seen & begun & (1 << i)) != 0)
                AttentionSoftmax.Add(values, part.Sums[i], added, part.Maxima[i], width);
            else if ((seen & (1 << i)) != 0)
                Unsafe.CopyBlockUnaligned(values, added, (uint)(width * sizeof(float)));
        }
    }

    // Tiles of nearly the same size, none of them larger than the largest.
    private int TileOf(int first, int queries)
    {
        int left = queries - first;
        if (left <= maxQueries)
            return left;
        int count = (left + maxQueries - 1) / maxQueries;
        return (left + count - 1) / count;
    }

    // The queries of an item, those of each tile in its code and its order.
    [SkipLocalsInit]
    private void Pack(in AttentionArgs args, in AttentionWork work)
    {
        int headDim = args.Cache.Shape.HeadDim, words = Words(args), share = args.HeadsPerKvHead, count = work.Item.Rows * share;
        var queries = _queries.Reserve(count);
        for (int row = work.Item.FirstRow; row < work.Item.FirstRow + work.Item.Rows; row++)
        {
            for (int head = work.KvHead * share; head < (work.KvHead + 1) * share; head++)
            {
                queries->X = args.Q.Row(row) + (head * headDim);
                queries->Y = args.Y.Row(row) + (head * headDim);
                queries->Position = args.Positions[row];
                queries->Slope = args.Slopes is null ? 0 : args.Slopes[head];
                queries++;
            }
        }

        bool exact = args.Format.Code == RowCode.Float && words == headDim;
        float* packed = _packed.Reserve((long)(count + maxQueries) * words), coded = packed + ((long)count * words);
        float** rows = stackalloc float*[TileLanes];
        for (int first = 0; first < count;)
        {
            int tile = TileOf(first, count);
            for (int i = 0; i < tile; i++)
            {
                rows[i] = _queries.Data[first + i].X;
                if (!exact)
                {
                    float* code = coded + (i * words);
                    RowCodes.Encode(args.Format.Code, rows[i], headDim, (uint*)code);
                    if (args.Format.Code != RowCode.Pairs)
                        new Span<float>(code + headDim, words - headDim).Clear();
                    rows[i] = code;
                }
            }
            if (tile == 1)
                Unsafe.CopyBlockUnaligned(packed + (first * words), rows[0], (uint)(words * sizeof(float)));
            else
                RowPacker.Pack(rows, tile, words, packed + (first * words));
            first += tile;
        }
    }

    // Words of a query: numbers, as many as the cache has side by side filled up with zeros, or pairs.
    private static int Words(in AttentionArgs args) => RowCodes.Words(args.Format.Code, args.Cache.Shape.HeadDim, args.Cache.Depth);

    // Maxima, sums of weights and summed values of some queries over one chunk, whose blocks the tile has. The first queries have the next ones
    // fetched.
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunChunk(in AttentionArgs args, in AttentionWork work, int chunk, int first, int count, AttentionTileArgs* tile, TileMemory part)
    {
        int headDim = args.Cache.Shape.HeadDim, width = Width(headDim);
        float** scoreRows = stackalloc float*[TileLanes];
        float** valueRows = stackalloc float*[TileLanes];
        for (int i = 0; i < count; i++)
        {
            scoreRows[i] = part.Scores + (i * Chunk);
            valueRows[i] = part.Values + (i * width);
        }

        if (first > 0)
            tile->FetchNothing();
        tile->X = _packed.Data + (first * Words(args));
        tile->Y = scoreRows;
        tile->Count = work.Blocks(chunk);
        tile->Extent = headDim;
        args.Format.Scores(count).Run(tile);

        part.Clear();
        int* begins = stackalloc int[TileLanes];
        int* ends = stackalloc int[TileLanes];
        for (int i = 0; i < count; i++)
        {
            ref readonly var query = ref _queries.Data[first + i];
            begins[i] = Math.Max(0, args.FirstVisible(query.Position) - (chunk * Chunk));
            ends[i] = Math.Min(Chunk, query.Position + 1 - (chunk * Chunk));
            if (begins[i] < ends[i])
            {
                part.Sums[i] = AttentionSoftmax.Weigh(
                    args, scoreRows[i], tile->Blocks, chunk * Chunk, begins[i], ends[i], query.Slope, out part.Maxima[i]);
            }
        }

        AttentionValues.Sum(args, tile, part.Scores, valueRows, begins, ends, count);
    }

    // A head of a row.
    private struct Query
    {
        public float* X;
        public float* Y;
        public int Position;
        public float Slope;
    }

    /// <summary>What a tile makes of a chunk.</summary>
    private readonly struct TileMemory
    {
        public TileMemory(Scratch<float> memory, int queries, int width)
        {
            Maxima = memory.Reserve((2 * TileLanes) + ((long)queries * (Chunk + width)));
            Sums = Maxima + TileLanes;
            Scores = Sums + TileLanes;
            Values = Scores + (queries * Chunk);
        }

        /// <summary>Largest score of each query.</summary>
        public readonly float* Maxima;

        /// <summary>Sum of the weights of each query.</summary>
        public readonly float* Sums;

        /// <summary>No query sees anything; nor do the lanes beyond the last query.</summary>
        public void Clear()
        {
            new Span<float>(Maxima, TileLanes).Fill(float.NegativeInfinity);
            new Span<float>(Sums, TileLanes).Clear();
        }

        /// <summary>Scores, then weights [queries][chunk].</summary>
        public readonly float* Scores;

        /// <summary>Summed values [queries][width].</summary>
        public float* Values { get; init; }
    }
}
