using ILGPU;

namespace Steer.Kernels.Gpu;

/// <content>What a group multiplies: its queries with a tile's keys, and the weights that come of it with the tile's values.</content>
internal static partial class AttentionKernel
{
    // Keys or values of a tile, widened, a position to a row of shared memory.
    private static void LoadTile(Parameters p, QueryRun run, ArrayView<float> shared, KvView view, int tile, int count)
    {
        long table = (long)p.RowContext[run.Row] * p.BlockTableStride;
        for (int i = Group.IdxX; i < count * view.Pieces; i += Group.DimX)
        {
            int position = i / view.Pieces, piece = i % view.Pieces;
            int block = p.BlockTables[table + ((tile + position) / KvCacheShape.BlockSize)];
            long head = view.Head((block * KvCacheShape.BlockSize) + ((tile + position) % KvCacheShape.BlockSize), run.KvHead);
            Cuda.Words4 words = view.Load(head, piece);
            float scale = view.Scale(head);
            int d = piece * view.NumbersPerPiece, target = p.TileStart + (position * p.HeadStride) + d;
            for (int j = 0; j < view.NumbersPerPiece && d + j < p.HeadDim; j++)
                shared[target + j] = view.Number(words, j, scale);
        }
    }

    // Scores of four queries with one position at a time.
    private static void Score(Parameters p, QueryRun run, ArrayView<float> shared, int tile, int count)
    {
        int stride = p.HeadStride, fours = (run.Count + QueriesPerThread - 1) / QueriesPerThread;
        for (int i = Group.IdxX; i < fours * count; i += Group.DimX)
        {
            int query = i / count * QueriesPerThread, position = i % count;
            int key = p.TileStart + (position * stride), q = p.QueryStart + (query * stride);
            float a = 0, b = 0, c = 0, d = 0;
            for (int j = 0; j < p.HeadDim; j++)
            {
                float k = shared[key + j];
                a = KernelMath.FusedMultiplyAdd(shared[q + j], k, a);
                b = KernelMath.FusedMultiplyAdd(shared[q + stride + j], k, b);
                c = KernelMath.FusedMultiplyAdd(shared[q + (2 * stride) + j], k, c);
                d = KernelMath.FusedMultiplyAdd(shared[q + (3 * stride) + j], k, d);
            }

            StoreScore(p, run, shared, query, tile, position, a);
            StoreScore(p, run, shared, query + 1, tile, position, b);
            StoreScore(p, run, shared, query + 2, tile, position, c);
            StoreScore(p, run, shared, query + 3, tile, position, d);
        }
    }

    // A score with what a model does to it; minus infinity where the query does not see the position.
    private static void StoreScore(Parameters p, QueryRun run, ArrayView<float> shared, int query, int tile, int inTile, float score)
    {
        if (query >= run.Count)
            return;
        int position = tile + inTile, last = p.Positions[run.RowOf(query)];
        score *= p.Scale;
        if (p.HasAlibi != 0)
            score = KernelMath.FusedMultiplyAdd(p.AlibiSlopes[run.HeadOf(query)], position, score);
        if (p.SoftCap > 0)
            score = p.SoftCap * KernelMath.Tanh(score / p.SoftCap);
        bool seen = position <= last && (p.Window == 0 || position > last - p.Window);
        shared[p.ScoreStart + (query * p.Tile) + inTile] = seen ? score : float.NegativeInfinity;
    }

    // sums = sums * decay + weights values, four queries at a time.
    private static void AddValues(Parameters p, QueryRun run, ArrayView<float> shared, int count)
    {
        int stride = p.HeadStride, fours = (run.Count + QueriesPerThread - 1) / QueriesPerThread;
        for (int i = Group.IdxX; i < fours * p.HeadDim; i += Group.DimX)
        {
            int query = i / p.HeadDim * QueriesPerThread, column = i % p.HeadDim;
            int weights = p.ScoreStart + (query * p.Tile), value = p.TileStart + column;
            float a = 0, b = 0, c = 0, d = 0;
            for (int j = 0; j < count; j++)
            {
                float v = shared[value + (j * stride)];
                a = KernelMath.FusedMultiplyAdd(shared[weights + j], v, a);
                b = KernelMath.FusedMultiplyAdd(shared[weights + p.Tile + j], v, b);
                c = KernelMath.FusedMultiplyAdd(shared[weights + (2 * p.Tile) + j], v, c);
                d = KernelMath.FusedMultiplyAdd(shared[weights + (3 * p.Tile) + j], v, d);
            }

            AddValue(p, shared, query, column, a);
            AddValue(p, shared, query + 1, column, b);
            AddValue(p, shared, query + 2, column, c);
            AddValue(p, shared, query + 3, column, d);
        }
    }

    private static void AddValue(Parameters p, ArrayView<float> shared, int query, int column, float value)
    {
        int place = p.SumStart + (query * p.HeadStride) + column;
        shared[place] = KernelMath.FusedMultiplyAdd(shared[place], shared[p.Decay + query], value);
    }
}
