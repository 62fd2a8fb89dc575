using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.Attention"/>. A group takes up to eight queries (row and head) that share a kv head and walks their context in tiles of
/// positions held in shared memory, with a running maximum and sum (online softmax: Milakov and Gimelshein, arXiv 1805.02867; in tiles: Dao et al.,
/// arXiv 2205.14135). Tiles begin at fixed positions, and so do chunks of <see cref="ChunkSize"/> positions, whose results are merged in order: by
/// the group itself, or where groups are few by <see cref="AttentionMergeKernel"/> from groups that took a chunk each (Flash-Decoding). A row's bits
/// are the same either way and whichever rows are beside it.
/// </summary>
internal static partial class AttentionKernel
{
    /// <summary>Positions of a chunk.</summary>
    public const int ChunkSize = 256;

    /// <summary>Queries of a group.</summary>
    private const int Queries = 8;

    /// <summary>Queries that a thread works on at once.</summary>
    private const int QueriesPerThread = 4;

    private const int GroupThreads = 128;

    /// <summary>Numbers of shared memory of a group, less what a compiler wants for itself.</summary>
    private const int SharedNumbers = (IlgpuDevice.SharedBytes / sizeof(float)) - 288;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<Parameters>(Attention)];

    public static void Run(
        IlgpuDevice device, Tensor q, IlgpuKvCache cache, int layer, ForwardBatch batch, AttentionParams attention, Tensor y)
    {
        int headDim = cache.Shape.HeadDim, heads = q.Columns / headDim, headsPerKvHead = heads / cache.Shape.NumKvHeads;
        var parameters = new Parameters
        {
            Q = new TensorView(q),
            Y = new TensorView(y),
            Keys = cache.Keys(layer),
            Values = cache.Values(layer),
            Positions = IlgpuDevice.View(batch.Positions),
            RowContext = IlgpuDevice.View(batch.RowContext),
            BlockTables = IlgpuDevice.View(batch.BlockTables),
            AlibiSlopes = IlgpuDevice.ViewOrEmpty(attention.AlibiSlopes),
            BlockTableStride = batch.BlockTableStride,
            HeadDim = headDim,
            HeadsPerKvHead = headsPerKvHead,
            Scale = attention.Scale,
            SoftCap = attention.SoftCap,
            Window = attention.Window,
            HasAlibi = attention.AlibiSlopes is null ? 0 : 1,
            Tile = TileSize(headDim),
            RowsPerGroup = Math.Max(1, Queries / headsPerKvHead),
        };
        if (parameters.SharedLength > SharedNumbers)
            throw new ArgumentException($"Attention: heads of {headDim} columns are wider than the shared memory of a GPU's group takes.");
        int chunks = ((batch.BlockTableStride * KvCacheShape.BlockSize) + ChunkSize - 1) / ChunkSize;
        int down = (q.Rows + parameters.RowsPerGroup - 1) / parameters.RowsPerGroup;
        int across = cache.Shape.NumKvHeads * ((headsPerKvHead + Queries - 1) / Queries);
        bool apart = chunks > 1 && (long)down * across < 4L * device.NumMultiprocessors;
        if (apart)
            parameters.Parts = device.Scratch(ScratchUse.Attention, (long)chunks * q.Rows * heads * (headDim + 2)).View;
        parameters.Apart = apart ? 1 : 0;
        device.LaunchGroups(
            Attention, new Index3D(down, across, apart ? chunks : 1), device.GroupSize(GroupThreads), parameters, parameters.SharedLength);
        if (apart)
            AttentionMergeKernel.Run(device, parameters);
    }

    /// <summary>Positions of a tile: as many as fit, a divisor of the chunk, and the same for every batch.</summary>
    internal static int TileSize(int headDim)
    {
        int tile = 64;
        while (tile > 1 && SharedLength(headDim, tile) > SharedNumbers)
            tile /= 2;
        return tile;
    }

    internal static void Attention(Parameters p)
    {
        ArrayView<float> shared = SharedMemory.GetDynamic<float>();
        int headBlocks = (p.HeadsPerKvHead + Queries - 1) / Queries;
        int kvHead = Grid.IdxY / headBlocks, firstHead = Grid.IdxY % headBlocks * Queries;
        int headsHere = Math.Min(Queries, p.HeadsPerKvHead - firstHead);
        int row = Grid.IdxX * p.RowsPerGroup, end = Math.Min(row + p.RowsPerGroup, p.Q.Rows);
        // Neighbouring rows of one context go through it together.
        while (row < end)
        {
            int next = row + 1;
            while (next < end && p.RowContext[next] == p.RowContext[row])
                next++;
            var run = new QueryRun
            {
                Row = row,
                HeadsHere = headsHere,
                FirstHead = (kvHead * p.HeadsPerKvHead) + firstHead,
                Count = (next - row) * headsHere,
                KvHead = kvHead,
            };
            AttendRows(p, run, shared, p.Positions[row], p.Positions[next - 1]);
            row = next;
        }
    }

    private static void AttendRows(Parameters p, QueryRun run, ArrayView<float> shared, int firstLast, int last)
    {
        int stride = p.HeadStride, first = p.Window > 0 ? Math.Max(0, firstLast - p.Window + 1) : 0;
        if (p.Apart != 0 && (Grid.IdxZ < first / ChunkSize || Grid.IdxZ > last / ChunkSize))
            return;
        for (int i = Group.IdxX; i < run.Count * p.HeadDim; i += Group.DimX)
        {
            int query = i / p.HeadDim, d = i % p.HeadDim;
            shared[p.QueryStart + (query * stride) + d] = p.Q[run.RowOf(query), (run.HeadOf(query) * p.HeadDim) + d];
            shared[p.TotalStart + (query * stride) + d] = 0;
        }

        for (int query = Group.IdxX; query < run.Count; query += Group.DimX)
        {
            shared[p.TotalMaximum + query] = float.NegativeInfinity;
            shared[p.TotalSum + query] = 0;
        }

        int chunk = p.Apart != 0 ? Grid.IdxZ : first / ChunkSize;
        int lastChunk = p.Apart != 0 ? chunk : last / ChunkSize;
        for (; chunk <= lastChunk; chunk++)
        {
            AttendChunk(p, run, shared, Math.Max(chunk * ChunkSize, first), Math.Min((chunk + 1) * ChunkSize, last + 1));
            if (p.Apart != 0)
                StorePart(p, run, shared, chunk);
            else
                MergeChunk(p, run, shared);
        }

        if (p.Apart == 0)
        {
            Group.Barrier();
            for (int i = Group.IdxX; i < run.Count * p.HeadDim; i += Group.DimX)
            {
                int query = i / p.HeadDim, d = i % p.HeadDim;
                p.Y[run.RowOf(query), (run.HeadOf(query) * p.HeadDim) + d] =
                    shared[p.TotalStart + (query * stride) + d] / shared[p.TotalSum + query];
            }
        }

        Group.Barrier();
    }

    // Online softmax over positions [start, end) of a chunk, tile by tile; nothing where the range is empty.
    private static void AttendChunk(Parameters p, QueryRun run, ArrayView<float> shared, int start, int end)
    {
        int stride = p.HeadStride;
        for (int i = Group.IdxX; i < run.Count * p.HeadDim; i += Group.DimX)
            shared[p.SumStart + (i / p.HeadDim * stride) + (i % p.HeadDim)] = 0;
        for (int query = Group.IdxX; query < run.Count; query += Group.DimX)
        {
            shared[p.Maximum + query] = float.NegativeInfinity;
            shared[p.Sum + query] = 0;
        }

        for (int tile = start / p.Tile * p.Tile; tile < end; tile += p.Tile)
        {
            int count = Math.Min(p.Tile, end - tile);
            LoadTile(p, run, shared, p.Keys, tile, count);
            Group.Barrier();
            Score(p, run, shared, tile, count);
            Group.Barrier();
            for (int query = Group.IdxX; query < run.Count; query += Group.DimX)
            {
                float old = shared[p.Maximum + query], maximum = old;
                for (int i = 0; i < count; i++)
                    maximum = MathF.Max(maximum, shared[p.ScoreStart + (query * p.Tile) + i]);
                shared[p.Maximum + query] = maximum;
                shared[p.Decay + query] = OnlineSoftmax.Weight(old, maximum);
            }

            Group.Barrier();
            for (int i = Group.IdxX; i < run.Count * count; i += Group.DimX)
            {
                int query = i / count, place = p.ScoreStart + (query * p.Tile) + (i % count);
                shared[place] = OnlineSoftmax.Weight(shared[place], shared[p.Maximum + query]);
            }

            // Keys have been read by all.
            LoadTile(p, run, shared, p.Values, tile, count);
            Group.Barrier();
            for (int query = Group.IdxX; query < run.Count; query += Group.DimX)
            {
                float sum = 0;
                for (int i = 0; i < count; i++)
                    sum += shared[p.ScoreStart + (query * p.Tile) + i];
                shared[p.Sum + query] = KernelMath.FusedMultiplyAdd(shared[p.Sum + query], shared[p.Decay + query], sum);
            }

            AddValues(p, run, shared, count);
            Group.Barrier();
        }
    }

    // Folds a chunk into the whole context, in shared memory.
    private static void MergeChunk(Parameters p, QueryRun run, ArrayView<float> shared)
    {
        Group.Barrier();
        for (int i = Group.IdxX; i < run.Count * p.HeadDim; i += Group.DimX)
        {
            int query = i / p.HeadDim, place = (query * p.HeadStride) + (i % p.HeadDim);
            float maximum = MathF.Max(shared[p.TotalMaximum + query], shared[p.Maximum + query]);
            shared[p.TotalStart + place] = KernelMath.FusedMultiplyAdd(
                shared[p.TotalStart + place], OnlineSoftmax.Weight(shared[p.TotalMaximum + query], maximum),
                shared[p.SumStart + place] * OnlineSoftmax.Weight(shared[p.Maximum + query], maximum));
        }

        Group.Barrier();
        for (int query = Group.IdxX; query < run.Count; query += Group.DimX)
        {
            float old = shared[p.TotalMaximum + query], part = shared[p.Maximum + query], maximum = MathF.Max(old, part);
            shared[p.TotalSum + query] = KernelMath.FusedMultiplyAdd(
                shared[p.TotalSum + query], OnlineSoftmax.Weight(old, maximum),
                shared[p.Sum + query] * OnlineSoftmax.Weight(part, maximum));
            shared[p.TotalMaximum + query] = maximum;
        }

        Group.Barrier();
    }

    // Leaves a chunk to the launch that merges them.
    private static void StorePart(Parameters p, QueryRun run, ArrayView<float> shared, int chunk)
    {
        Group.Barrier();
        for (int i = Group.IdxX; i < run.Count * (p.HeadDim + 2); i += Group.DimX)
        {
            int query = i / (p.HeadDim + 2), d = i % (p.HeadDim + 2);
            p.Parts[p.Part(chunk, run.RowOf(query), run.HeadOf(query)) + d] =
                d == 0 ? shared[p.Maximum + query]
                : d == 1 ? shared[p.Sum + query]
                : shared[p.SumStart + (query * p.HeadStride) + d - 2];
        }
    }
}
