namespace Steer.Kernels.Host;

/// <summary>
/// Sums the values of a chunk for some queries. Positions that every query sees are summed for all at once; those at either end that only some see,
/// row by row: a value past a row's position is never touched, as nothing that it holds, not even NaN times 0, may reach that row.
/// </summary>
internal static unsafe class AttentionValues
{
    private const int Chunk = AttentionArgs.Chunk;
    private const int PlaneWidth = HostKvCache.PlaneWidth;

    /// <summary>sums[q] = sum over positions [begins[q], ends[q]) of weights[q][position] * value.</summary>
    /// <param name="args">The cache and what multiplies with it.</param>
    /// <param name="tile">Blocks of the chunk, and what comes next; other fields are overwritten.</param>
    /// <param name="weights">Weights in the code of the tiles [count][chunk].</param>
    /// <param name="sums">Where each query's sums go, whole planes [count].</param>
    /// <param name="begins">First position that a query sees, ascending [count].</param>
    /// <param name="ends">One more than the last, ascending [count].</param>
    /// <param name="count">Queries.</param>
    public static void Sum(in AttentionArgs args, AttentionTileArgs* tile, float* weights, float** sums, int* begins, int* ends, int count)
    {
        if (begins[0] == begins[count - 1] && ends[0] == ends[count - 1])
        {
            SumRange(args, tile, begins[0], ends[0], weights, sums, count, carry: false);
            return;
        }

        int planes = (args.Cache.Shape.HeadDim + PlaneWidth - 1) / PlaneWidth;
        for (int i = 0; i < count; i++)
            new Span<float>(sums[i], planes * PlaneWidth).Clear();
        // Positions that lie in one word stay together, so that their order is the same however far the other queries see.
        int start = (begins[count - 1] + 1) & ~1, end = Math.Max(ends[0] & ~1, start);
        SumEnds(args, *tile, weights, sums, begins, ends, count, 0, start);
        SumRange(args, tile, start, end, weights, sums, count, carry: true);
        SumEnds(args, *tile, weights, sums, begins, ends, count, end, Chunk);
    }

    // What each query sees of positions [from, to); those of a row see the same.
    private static void SumEnds(
        in AttentionArgs args, AttentionTileArgs tile, float* weights, float** sums, int* begins, int* ends, int count, int from, int to)
    {
        tile.FetchNothing();
        for (int i = 0; i < count;)
        {
            int same = 1;
            while (i + same < count && begins[i + same] == begins[i] && ends[i + same] == ends[i])
                same++;
            SumRange(args, &tile, Math.Max(begins[i], from), Math.Min(ends[i], to), weights + (i * Chunk), sums + i, same, carry: true);
            i += same;
        }
    }

    // sums[q] (+)= sum over positions [start, end). Tiles of pairs get whole words: one of which a single position is asked for is masked.
    private static void SumRange(
        in AttentionArgs args, AttentionTileArgs* tile, int start, int end, float* weights, float** sums, int queries, bool carry)
    {
        if (end <= start)
            return;
        tile->Y = sums;
        if (args.Format.Code != RowCode.Pairs)
        {
            SumPlanes(args, tile, start, end, weights + start, queries, carry);
            return;
        }

        if (start % 2 == 1)
        {
            SumHalf(args, *tile, start, weights, queries, carry);
            carry = true;
            start++;
        }
        int whole = end & ~1;
        if (start < whole)
        {
            SumPlanes(args, tile, start, whole, weights + (start / 2), queries, carry);
            carry = true;
        }
        if (start <= whole && whole < end)
            SumHalf(args, *tile, whole, weights, queries, carry);
    }

    private static void SumPlanes(in AttentionArgs args, AttentionTileArgs* tile, int start, int end, float* x, int queries, bool carry)
    {
        tile->X = x;
        tile->Extent = start;
        tile->Count = end - start;
        tile->Carry = carry ? 1 : 0;
        var sum = args.Format.Values(queries);
        for (int column = 0; column < args.Cache.Shape.HeadDim; column += PlaneWidth)
        {
            tile->Column = column;
            tile->Offset = args.Cache.ValuesOffset + (column / PlaneWidth * args.Cache.PlaneBytes);
            sum.Run(tile);
        }
    }

    // A single position, by a copy of its words without their other halves.
    private static void SumHalf(in AttentionArgs args, AttentionTileArgs tile, int position, float* weights, int queries, bool carry)
    {
        uint* words = stackalloc uint[PlaneWidth];
        uint mask = position % 2 == 0 ? 0x0000FFFFu : 0xFFFF0000u;
        int block = position / KvCacheShape.BlockSize, pairBytes = position % KvCacheShape.BlockSize / 2 * PlaneWidth * sizeof(uint);
        byte* record = tile.Record(block) + args.Cache.ValuesOffset + pairBytes;
        tile.X = weights + (position / 2);
        tile.Extent = position & ~1;
        tile.Count = 2;
        tile.Carry = carry ? 1 : 0;
        tile.Offset = -pairBytes;
        tile.Blocks[block] = tile.Next[block] = (long)words;
        var sum = args.Format.Values(queries);
        for (int column = 0; column < args.Cache.Shape.HeadDim; column += PlaneWidth, record += args.Cache.PlaneBytes)
        {
            for (int i = 0; i < PlaneWidth; i++)
                words[i] = ((uint*)record)[i] & mask;
            tile.Column = column;
            sum.Run(&tile);
        }
    }
}
