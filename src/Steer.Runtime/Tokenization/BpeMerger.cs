using System.Buffers;

namespace Steer.Runtime.Tokenization;

/// <summary>A token of a word while it is being merged.</summary>
/// <param name="Start">First character in the word.</param>
/// <param name="Length">Characters.</param>
/// <param name="Id">Its id, or -1 for a character that is no token.</param>
internal readonly record struct Symbol(int Start, int Length, int Id);

/// <summary>Tells which neighbours may be merged.</summary>
internal interface IMergeRule
{
    /// <summary>Whether two neighbours make a token; of all pairs that do, the one of lowest rank goes first, then the leftmost.</summary>
    bool TryMerge(in Symbol left, in Symbol right, out int rank, out int id);
}

/// <summary>
/// Byte-pair encoding of one word (Sennrich et al., arXiv 1508.07909): merges the neighbours of lowest rank until none is left. A short word is
/// scanned for each merge; a long one has a heap of pairs over a linked list, n log n, so that a megabyte without a space is no trouble.
/// </summary>
internal static class BpeMerger
{
    private const int ShortWord = 48;
    private const int NoMerge = int.MaxValue;

    /// <summary>Merges the symbols in place and returns how many are left, at the front.</summary>
    public static int Merge<TRule>(Span<Symbol> symbols, TRule rule)
        where TRule : IMergeRule, allows ref struct =>
        symbols.Length <= ShortWord ? MergeShort(symbols, rule) : MergeLong(symbols, rule);

    private static int MergeShort<TRule>(Span<Symbol> symbols, TRule rule)
        where TRule : IMergeRule, allows ref struct
    {
        // Of the pair (i, i + 1): its rank and the token it would make.
        Span<int> ranks = stackalloc int[ShortWord];
        Span<int> merged = stackalloc int[ShortWord];
        var count = symbols.Length;
        for (var i = 0; i + 1 < count; i++)
            ranks[i] = Rank(symbols[i], symbols[i + 1], rule, out merged[i]);

        while (count > 1)
        {
            var best = 0;
            for (var i = 1; i + 1 < count; i++)
            {
                if (ranks[i] < ranks[best])
                    best = i;
            }

            if (ranks[best] == NoMerge)
                break;
            symbols[best] = Join(symbols[best], symbols[best + 1], merged[best]);
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            ranks[(best + 1)..(count - 1)].CopyTo(ranks[best..]);
            merged[(best + 1)..(count - 1)].CopyTo(merged[best..]);
            count--;
            if (best > 0)
                ranks[best - 1] = Rank(symbols[best - 1], symbols[best], rule, out merged[best - 1]);
            if (best + 1 < count)
                ranks[best] = Rank(symbols[best], symbols[best + 1], rule, out merged[best]);
        }

        return count;
    }

    private static int MergeLong<TRule>(Span<Symbol> symbols, TRule rule)
        where TRule : IMergeRule, allows ref struct
    {
        var count = symbols.Length;
        var rented = ArrayPool<int>.Shared.Rent(count * 4);
        var next = rented.AsSpan(0, count);
        var previous = rented.AsSpan(count, count);
        var ranks = rented.AsSpan(2 * count, count);
        var merged = rented.AsSpan(3 * count, count);

        // Key: rank, then position. An entry is stale when its pair's rank has changed since.
        var heap = new PriorityQueue<int, long>(count);
        for (var i = 0; i < count; i++)
        {
            next[i] = i + 1 < count ? i + 1 : -1;
            previous[i] = i - 1;
            ranks[i] = NoMerge;
        }

        for (var i = 0; i + 1 < count; i++)
            Look(i, symbols, next, ranks, merged, heap, rule);

        while (heap.TryDequeue(out var at, out var key))
        {
            if (ranks[at] != (int)(key >> 32))
                continue;
            var right = next[at];
            symbols[at] = Join(symbols[at], symbols[right], merged[at]);
            ranks[right] = NoMerge;
            next[at] = next[right];
            if (next[at] >= 0)
                previous[next[at]] = at;
            Look(at, symbols, next, ranks, merged, heap, rule);
            if (previous[at] >= 0)
                Look(previous[at], symbols, next, ranks, merged, heap, rule);
        }

        var left = 0;
        for (var i = 0; i >= 0; i = next[i])
            symbols[left++] = symbols[i];
        ArrayPool<int>.Shared.Return(rented);
        return left;
    }

    /// <summary>Looks the pair at a position up again after one of its sides has changed.</summary>
    private static void Look<TRule>(
        int at, Span<Symbol> symbols, Span<int> next, Span<int> ranks, Span<int> merged, PriorityQueue<int, long> heap, TRule rule)
        where TRule : IMergeRule, allows ref struct
    {
        ranks[at] = next[at] < 0 ? NoMerge : Rank(symbols[at], symbols[next[at]], rule, out merged[at]);
        if (ranks[at] != NoMerge)
            heap.Enqueue(at, ((long)ranks[at] << 32) | (uint)at);
    }

    private static int Rank<TRule>(in Symbol left, in Symbol right, TRule rule, out int id)
        where TRule : IMergeRule, allows ref struct => rule.TryMerge(left, right, out var rank, out id) ? rank : NoMerge;

    private static Symbol Join(in Symbol left, in Symbol right, int id) => new(left.Start, left.Length + right.Length, id);
}
