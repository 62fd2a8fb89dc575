using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>
/// One thread's work on attention. A query here is one head of one row. All scores of a query are kept, their exact maximum
/// taken off, and the values summed in order of position, so that a query's bits do not depend on what it shares a tile with.
/// </summary>
internal sealed unsafe class AttentionTile(TileSet tiles) : IDisposable
{
    private const int BlockSize = KvCacheShape.BlockSize;
    private const int PanelWidth = HostWeight.PanelWidth;

    // Queries of a tile up to which blocks of keys are read one after the other.
    private const int StreamedQueries = 4;

    private readonly Scratch<float> _scores = new();
    private readonly Scratch<float> _packed = new();
    private readonly Scratch<nint> _blocks = new();

    /// <summary>Runs one item for one kv head.</summary>
    public void Run(in AttentionArgs args, AttentionItem item, int kvHead)
    {
        int headDim = args.Cache.Shape.HeadDim, queries = item.Rows * item.Heads;
        int first = args.FirstVisible(args.Positions[item.FirstRow]) / BlockSize * BlockSize;
        int last = args.Positions[item.FirstRow + item.Rows - 1];
        int blocks = ((last - first) / BlockSize) + 1;
        int stride = (blocks + 1) * BlockSize;
        int sumStride = (headDim + PanelWidth - 1) / PanelWidth * PanelWidth;

        float* scores = _scores.Reserve((long)queries * (stride + sumStride));
        float* packed = _packed.Reserve((long)queries * Math.Max(stride, headDim));
        byte** keys = (byte**)_blocks.Reserve(2L * blocks);
        byte** values = keys + blocks;
        FindBlocks(args, item, kvHead, first / BlockSize, blocks, keys, values);

        float** queryRows = stackalloc float*[queries];
        float** scoreRows = stackalloc float*[queries];
        float** sumRows = stackalloc float*[queries];
        float** yRows = stackalloc float*[queries];
        for (int i = 0; i < queries; i++)
        {
            int row = item.FirstRow + (i / item.Heads);
            int head = (kvHead * args.HeadsPerKvHead) + item.FirstHead + (i % item.Heads);
            queryRows[i] = args.Q.Row(row) + (head * headDim);
            yRows[i] = args.Y.Row(row) + (head * headDim);
            scoreRows[i] = scores + (i * stride);
            sumRows[i] = scores + ((long)queries * stride) + (i * sumStride);
        }

        Scores(RowPacker.InTileOrder(queryRows, queries, headDim, packed), keys, blocks, headDim, scoreRows, queries);

        float* inverse = stackalloc float[queries];
        for (int i = 0; i < queries; i++)
        {
            int position = args.Positions[item.FirstRow + (i / item.Heads)];
            int head = (kvHead * args.HeadsPerKvHead) + item.FirstHead + (i % item.Heads);
            inverse[i] = Softmax(
                scoreRows[i], first, args.FirstVisible(position), position, args.Scale, args.Slopes is null ? 0 : args.Slopes[head], args.SoftCap);
        }

        new Span<float>(sumRows[0], queries * sumStride).Clear();
        Values(args, item, first, values, scoreRows, packed, sumRows, queries);
        for (int i = 0; i < queries; i++)
            Scale(sumRows[i], inverse[i], yRows[i], headDim);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scores.Dispose();
        _packed.Dispose();
        _blocks.Dispose();
    }

    private static void FindBlocks(in AttentionArgs args, AttentionItem item, int kvHead, int start, int count, byte** keys, byte** values)
    {
        var cache = args.Cache;
        int* table = args.BlockTables + ((long)args.Contexts[item.FirstRow] * args.BlockTableStride) + start;
        for (int i = 0; i < count; i++)
        {
            if ((uint)table[i] >= (uint)cache.Shape.NumBlocks)
                throw new ArgumentException($"Attention: block {table[i]} of a cache of {cache.Shape.NumBlocks}.");
            keys[i] = (byte*)cache.Keys(args.Layer, kvHead, table[i]);
            values[i] = (byte*)cache.Values(args.Layer, kvHead, table[i]);
        }
    }

    // Two blocks of keys are the 32 columns of a tile. For few queries memory is slower than the tile: then blocks are read one at a time, from
    // front to back, and the other columns are of no use. Scores past a row's position come from keys that nobody wrote, and nobody reads them.
    private void Scores(float* q, byte** keys, int blocks, int headDim, float** scores, int queries)
    {
        var args = new TileArgs { X = q, SegmentLength = headDim, K = headDim, Stride = BlockSize * sizeof(float), Y = scores };
        int step = queries <= StreamedQueries ? 1 : 2;
        for (int block = 0; block < blocks; block += step)
        {
            args.Segments = keys + block;
            args.Second = step == 2 && block + 1 < blocks ? (nint)(keys[block + 1] - keys[block]) : 0;
            args.Column = block * BlockSize;
            tiles.F32(queries).Run(&args);
        }
    }

    // Turns the scores of positions [start, position] into exp(score - maximum), and returns 1 / their sum. The sum has eight lanes, by
    // position mod 8.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Softmax(float* scores, int first, int start, int position, float scale, float slope, float softCap)
    {
        const int Lanes = VectorMath.Lanes;
        int begin = (start - first) / Lanes * Lanes, end = position - first + 1;
        var maximum = Vector256.Create(float.NegativeInfinity);
        for (int i = begin; i < end; i += Lanes)
        {
            var at = Vector256.Create(first + i) + Vector256<int>.Indices;
            var score = Vector256.Load(scores + i) * Vector256.Create(scale);
            if (slope != 0)
                score = Vector256.FusedMultiplyAdd(Vector256.Create(slope), Vector256.ConvertToSingle(at), score);
            if (softCap > 0)
                score = Vector256.Create(softCap) * VectorMath.Tanh(score / Vector256.Create(softCap));
            if (first + i < start || i + Lanes > end)
            {
                var seen = Vector256.GreaterThanOrEqual(at, Vector256.Create(start)) & Vector256.LessThanOrEqual(at, Vector256.Create(position));
                score = Vector256.ConditionalSelect(seen.AsSingle(), score, Vector256.Create(float.NegativeInfinity));
            }
            score.Store(scores + i);
            maximum = Vector256.Max(maximum, score);
        }

        var offset = Vector256.Create(VectorMath.Max(maximum));
        var sum = Vector256<float>.Zero;
        for (int i = begin; i < end; i += Lanes)
        {
            var weight = VectorMath.Exp(Vector256.Load(scores + i) - offset);
            weight.Store(scores + i);
            sum += weight;
        }
        return 1 / VectorMath.Sum(sum);
    }

    // Positions that every row sees are summed for all queries at once; those at either end that only some see, query by query: a value past a row's
    // position is never touched, as nothing that it holds, not even NaN times 0, may reach that row.
    private void Values(
        in AttentionArgs args, AttentionItem item, int first, byte** values, float** weights, float* packed, float** sums, int queries)
    {
        int headDim = args.Cache.Shape.HeadDim;
        var tile = new TileArgs
        {
            Segments = values,
            SegmentLength = BlockSize,
            Second = PanelWidth / 2 * sizeof(float),
            Stride = PanelWidth * sizeof(float),
            Carry = true,
        };
        nint plane = (nint)args.Cache.ValuePlane * sizeof(float);
        int start = args.FirstVisible(args.Positions[item.FirstRow + item.Rows - 1]);
        int end = Math.Max(args.Positions[item.FirstRow] + 1, start);
        for (int i = 0; i < queries && item.Rows > 1; i++)
        {
            int position = args.Positions[item.FirstRow + (i / item.Heads)];
            int from = args.FirstVisible(position);
            Sum(tile, first, from, Math.Min(start, position + 1), weights[i] + (from - first), sums + i, 1, headDim, plane);
        }
        if (end > start)
        {
            float** rows = stackalloc float*[queries];
            for (int i = 0; i < queries; i++)
                rows[i] = weights[i] + (start - first);
            Sum(tile, first, start, end, RowPacker.InTileOrder(rows, queries, end - start, packed), sums, queries, headDim, plane);
        }
        for (int i = 0; i < queries && item.Rows > 1; i++)
        {
            int position = args.Positions[item.FirstRow + (i / item.Heads)];
            Sum(tile, first, end, position + 1, weights[i] + (end - first), sums + i, 1, headDim, plane);
        }
    }

    // sums[q] += sum over positions [start, end) of weights[position][q] * value, 32 columns at a time.
    private void Sum(TileArgs args, int first, int start, int end, float* weights, float** sums, int queries, int headDim, nint plane)
    {
        if (end <= start)
            return;
        args.X = weights;
        args.Y = sums;
        args.K = end - start;
        args.Segments += (start - first) / BlockSize;
        args.First = (start - first) % BlockSize;
        for (int column = 0; column < headDim; column += PanelWidth)
        {
            args.Column = column;
            args.Offset = column / PanelWidth * plane;
            tiles.F32(queries).Run(&args);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(float* x, float factor, float* y, int count)
    {
        int i = 0;
        for (; i <= count - VectorMath.Lanes; i += VectorMath.Lanes)
            (Vector256.Load(x + i) * Vector256.Create(factor)).Store(y + i);
        for (; i < count; i++)
            y[i] = x[i] * factor;
    }
}
