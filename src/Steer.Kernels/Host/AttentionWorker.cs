using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// One thread's work on attention. A query is one head of one row; all query heads of a kv head go through its keys and values together, in tiles of
/// as many queries as the registers hold.
/// </summary>
internal sealed unsafe class AttentionWorker(int maxQueries) : IDisposable
{
    private const int Chunk = AttentionArgs.Chunk;
    private const int BlockSize = KvCacheShape.BlockSize;
    private const int CacheLine = 64;
    private const int BlocksInChunk = AttentionTileArgs.MaxBlocks;

    // Room for a number of each query of a tile, in whole vectors.
    private const int TileLanes = 16;

    // Maximum and sum follow the values of a chunk that is kept apart, in a cache line of their own.
    private const int PartLength = 16;

    private readonly Scratch<float> _queries = new();
    private readonly Scratch<float> _totals = new();
    private readonly Scratch<float> _tile = new();

    /// <summary>Numbers of a query's chunk that is kept apart: the summed values, whole planes of them, the maximum and the sum of the weights.</summary>
    public static int RecordLength(int headDim) => Width(headDim) + PartLength;

    /// <summary>Runs an item that has all that its rows see.</summary>
    public void Run(in AttentionArgs args, in AttentionItem item, int kvHead)
    {
        int headDim = args.Cache.Shape.HeadDim, width = Width(headDim), queries = item.Rows * args.HeadsPerKvHead, lanes = queries + TileLanes;
        float* values = _totals.Reserve(((long)queries * width) + (2 * lanes));
        float* maxima = values + (queries * width), sums = maxima + lanes;
        new Span<float>(maxima, lanes).Fill(float.NegativeInfinity);
        new Span<float>(sums, lanes).Clear();
        FetchFirst(args, item, kvHead);
        Pack(args, item, kvHead);
        for (int chunk = item.FirstChunk; chunk < item.EndChunk; chunk++)
        {
            for (int first = 0; first < queries;)
            {
                int count = TileOf(first, queries);
                var tile = new TileMemory(_tile, maxQueries, width);
                RunChunk(args, item, kvHead, chunk, first, count, tile);
                Join(values + (first * width), maxima + first, sums + first, tile, count, width);
                first += count;
            }
        }

        for (int query = 0; query < queries; query++)
            AttentionSoftmax.Scale(values + (query * width), 1 / sums[query], Output(args, item, kvHead, query), headDim);
    }

    /// <summary>Runs an item that has only part of what its rows see, and keeps its chunks apart.</summary>
    public void RunParts(in AttentionArgs args, in AttentionItem item, int kvHead, AttentionPlan plan, float* records)
    {
        int width = Width(args.Cache.Shape.HeadDim), share = args.HeadsPerKvHead, queries = item.Rows * share;
        FetchFirst(args, item, kvHead);
        Pack(args, item, kvHead);
        for (int chunk = item.FirstChunk; chunk < item.EndChunk; chunk++)
        {
            for (int first = 0; first < queries;)
            {
                int count = TileOf(first, queries);
                var tile = new TileMemory(_tile, maxQueries, width);
                RunChunk(args, item, kvHead, chunk, first, count, tile);
                for (int i = 0; i < count; i++, first++)
                {
                    float* record = Record(args, plan, records, item.FirstRow + (first / share), (kvHead * share) + (first % share), chunk);
                    Unsafe.CopyBlockUnaligned(record, tile.Values + (i * width), (uint)(width * sizeof(float)));
                    record[width] = tile.Maxima[i];
                    record[width + 1] = tile.Sums[i];
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
        _totals.Dispose();
        _tile.Dispose();
    }

    private static int Width(int headDim) => (headDim + HostKvCache.PlaneWidth - 1) / HostKvCache.PlaneWidth * HostKvCache.PlaneWidth;

    private static float* Record(in AttentionArgs args, AttentionPlan plan, float* records, int row, int head, int chunk) =>
        records + ((plan.FirstRecord(row) + ((long)head * args.EndChunk(row)) + chunk) * RecordLength(args.Cache.Shape.HeadDim));

    private static float* Output(in AttentionArgs args, in AttentionItem item, int kvHead, int query)
    {
        int share = args.HeadsPerKvHead;
        return args.Y.Row(item.FirstRow + (query / share)) + (((kvHead * share) + (query % share)) * args.Cache.Shape.HeadDim);
    }

    // Adds a tile's chunk to what its queries have of the chunks before.
    private static void Join(float* values, float* maxima, float* sums, TileMemory tile, int count, int width)
    {
        bool* seen = stackalloc bool[count];
        bool* begun = stackalloc bool[count];
        for (int i = 0; i < count; i++)
        {
            seen[i] = tile.Sums[i] != 0;
            begun[i] = sums[i] != 0;
        }
        AttentionSoftmax.Join(maxima, sums, tile.Maxima, tile.Sums, count);
        for (int i = 0; i < count; i++, values += width)
        {
            float* added = tile.Values + (i * width);
            if (seen[i] && begun[i])
                AttentionSoftmax.Add(values, tile.Sums[i], added, tile.Maxima[i], width);
            else if (seen[i])
                Unsafe.CopyBlockUnaligned(values, added, (uint)(width * sizeof(float)));
        }
    }

    // Tiles of nearly the same size, none of them larger than the largest.
    private int TileOf(int first, int queries)
    {
        int left = queries - first, count = (left + maxQueries - 1) / maxQueries;
        return (left + count - 1) / count;
    }

    // Has the first chunk fetched; each other is fetched while the one before it is worked on.
    private void FetchFirst(in AttentionArgs args, in AttentionItem item, int kvHead)
    {
        long* blocks = stackalloc long[BlocksInChunk];
        int count = FindBlocks(args, item.FirstRow, kvHead, item.FirstChunk, args.Positions[item.FirstRow], blocks);
        for (int i = 0; i < count; i++)
        {
            for (int offset = 0; offset < args.Cache.RecordBytes; offset += CacheLine)
                Prefetch.Read((byte*)blocks[i] + offset);
        }
    }

    // The queries of each tile in its code and its order, one tile after the other.
    private void Pack(in AttentionArgs args, in AttentionItem item, int kvHead)
    {
        int headDim = args.Cache.Shape.HeadDim, words = Words(args), share = args.HeadsPerKvHead, queries = item.Rows * share;
        bool exact = args.Format.Code == RowCode.Float && words == headDim;
        float* packed = _queries.Reserve((long)(queries + maxQueries) * words), coded = packed + ((long)queries * words);
        float** rows = stackalloc float*[maxQueries];
        for (int first = 0; first < queries;)
        {
            int count = TileOf(first, queries);
            for (int i = 0; i < count; i++)
            {
                int query = first + i;
                rows[i] = args.Q.Row(item.FirstRow + (query / share)) + (((kvHead * share) + (query % share)) * headDim);
                if (!exact)
                {
                    float* code = coded + (i * words);
                    RowCodes.Encode(args.Format.Code, rows[i], headDim, (uint*)code);
                    if (args.Format.Code != RowCode.Pairs)
                        new Span<float>(code + headDim, words - headDim).Clear();
                    rows[i] = code;
                }
            }
            if (count == 1)
                Unsafe.CopyBlockUnaligned(packed + (first * words), rows[0], (uint)(words * sizeof(float)));
            else
                RowPacker.Pack(rows, count, words, packed + (first * words));
            first += count;
        }
    }

    // Words of a query: numbers, as many as the cache has side by side filled up with zeros, or pairs.
    private static int Words(in AttentionArgs args) => RowCodes.Words(args.Format.Code, args.Cache.Shape.HeadDim, args.Cache.Depth);

    // Maxima, sums of weights and summed values of some queries over one chunk.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunChunk(in AttentionArgs args, in AttentionItem item, int kvHead, int chunk, int first, int count, TileMemory memory)
    {
        int headDim = args.Cache.Shape.HeadDim, width = Width(headDim), share = args.HeadsPerKvHead;
        int last = args.Positions[item.FirstRow + item.Rows - 1];
        float** scoreRows = stackalloc float*[count];
        float** valueRows = stackalloc float*[count];
        for (int i = 0; i < count; i++)
        {
            scoreRows[i] = memory.Scores + (i * Chunk);
            valueRows[i] = memory.Values + (i * width);
        }

        var tile = new AttentionTileArgs { X = _queries.Data + (first * Words(args)), Y = scoreRows, Extent = headDim };
        tile.Count = FindBlocks(args, item.FirstRow, kvHead, chunk, last, tile.Blocks);
        if (first == 0 && chunk + 1 < item.EndChunk)
        {
            int next = FindBlocks(args, item.FirstRow, kvHead, chunk + 1, last, tile.Next);
            for (int i = next; i < BlocksInChunk; i++)
                tile.Next[i] = tile.Blocks[i];
        }
        else
        {
            tile.FetchNothing();
        }
        args.Format.Scores(count).Run(&tile);

        memory.Clear();
        int* begins = stackalloc int[count];
        int* ends = stackalloc int[count];
        for (int i = 0; i < count; i++)
        {
            int position = args.Positions[item.FirstRow + ((first + i) / share)];
            begins[i] = Math.Max(0, args.FirstVisible(position) - (chunk * Chunk));
            ends[i] = Math.Min(Chunk, position + 1 - (chunk * Chunk));
            float slope = args.Slopes is null ? 0 : args.Slopes[(kvHead * share) + ((first + i) % share)];
            if (begins[i] < ends[i])
                memory.Sums[i] = AttentionSoftmax.Weigh(args, scoreRows[i], tile.Blocks, chunk * Chunk, begins[i], ends[i], slope, out memory.Maxima[i]);
        }

        AttentionValues.Sum(args, &tile, memory.Scores, valueRows, begins, ends, count);
    }

    // The records of a chunk's blocks, and after an odd number of them the last again.
    private static int FindBlocks(in AttentionArgs args, int row, int kvHead, int chunk, int last, long* blocks)
    {
        var cache = args.Cache;
        int start = chunk * BlocksInChunk, count = Math.Min(BlocksInChunk, (last / BlockSize) + 1 - start);
        int* table = args.BlockTable(row) + start;
        for (int i = 0; i < count; i++)
        {
            if ((uint)table[i] >= (uint)cache.Shape.NumBlocks)
                throw new ArgumentException($"Attention: block {table[i]} of a cache of {cache.Shape.NumBlocks}.");
            blocks[i] = (long)cache.Record(args.Layer, kvHead, table[i]);
        }
        for (int i = count; i < BlocksInChunk; i++)
            blocks[i] = blocks[count - 1];
        return count;
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
