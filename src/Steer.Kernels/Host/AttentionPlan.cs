namespace Steer.Kernels.Host;

/// <summary>
/// Cuts a launch into items. Rows of a prompt go in groups through all that they see. Single rows (decode) that begin with the same blocks share the
/// reading of these, and where there are few of them their contexts are cut, so that all threads have work. Nothing here changes a result.
/// </summary>
internal sealed class AttentionPlan
{
    // Queries of an item of a prompt: enough for several tiles to use a chunk while it is in the nearest cache.
    private const int PromptQueries = 48;
    private const int ItemsPerThread = 4;

    private AttentionItem[] _items = new AttentionItem[64];
    private int[] _records = [];
    private int[] _parts = [];

    /// <summary>Number of items.</summary>
    public int Count { get; private set; }

    /// <summary>Chunks of all heads that are kept apart.</summary>
    public long Records { get; private set; }

    /// <summary>Multiply-adds, about.</summary>
    public long Cost { get; private set; }

    /// <summary>An item.</summary>
    public ref readonly AttentionItem this[int item] => ref _items[item];

    /// <summary>Makes the plan of a launch.</summary>
    /// <exception cref="ArgumentException">A context has no block table, or a position lies beyond it.</exception>
    public unsafe void Make(in AttentionArgs args, int threads)
    {
        (Count, Records, Cost) = (0, 0, 0);
        int rows = args.Q.Rows;
        if (_records.Length < rows)
            _records = new int[rows];
        // By launch: the models of one device differ in heads.
        if (_parts.Length < rows * args.Cache.Shape.NumKvHeads)
            _parts = new int[rows * args.Cache.Shape.NumKvHeads];
        for (int row = 0; row < rows; row++)
        {
            Check(args, row);
            Cost += 2L * args.Q.Columns * (args.Positions[row] - args.FirstVisible(args.Positions[row]) + 1);
        }

        int single = 0;
        for (int row = 0; row < rows;)
        {
            int end = row + 1;
            while (end < rows && args.Contexts[end] == args.Contexts[row] && args.Positions[end] >= args.Positions[end - 1])
                end++;
            if (end == row + 1)
            {
                row++;
                continue;
            }
            AddSingles(args, single, row, threads);
            AddPrompt(args, row, end);
            row = single = end;
        }
        AddSingles(args, single, rows, threads);
    }

    /// <summary>Where a row's chunks are kept: the number of its first chunk of its first head; a head's follow each other.</summary>
    public int FirstRecord(int row) => _records[row];

    /// <summary>Says that an item of a row and kv head is done; true where it was the last.</summary>
    public bool Finish(int row, int kvHead, int kvHeads) => Interlocked.Decrement(ref _parts[(row * kvHeads) + kvHead]) == 0;

    private static unsafe void Check(in AttentionArgs args, int row)
    {
        int position = args.Positions[row], context = args.Contexts[row];
        if (context < 0 || (context + 1L) * args.BlockTableStride > args.BlockTablesLength)
            throw new ArgumentException($"Attention: context {context} has none of the {args.BlockTablesLength} entries of block tables.");
        if (position < 0 || position / KvCacheShape.BlockSize >= args.BlockTableStride)
            throw new ArgumentException($"Attention: position {position} in a block table of {args.BlockTableStride}.");
    }

    private void AddPrompt(in AttentionArgs args, int row, int end)
    {
        int most = Math.Max(1, PromptQueries / args.HeadsPerKvHead);
        for (; row < end; row += most)
        {
            int count = Math.Min(most, end - row);
            Add(new AttentionItem(row, count, args.FirstChunk(row), args.EndChunk(row + count - 1), Whole: true));
        }
    }

    private void AddSingles(in AttentionArgs args, int first, int end, int threads)
    {
        int heads = args.Cache.Shape.NumKvHeads, wanted = threads > 1 ? ItemsPerThread * threads : 1;
        int pieces = (wanted + ((end - first) * heads) - 1) / Math.Max(1, (end - first) * heads);
        for (int row = first; row < end;)
        {
            int group = 1, shared = row + 1 < end ? SharedChunks(args, row, row + 1) : 0;
            while (shared > 0 && row + group < end && SharedChunks(args, row, row + group) >= shared)
                group++;
            if (group > 1)
                Add(new AttentionItem(row, group, 0, shared, Whole: false));
            for (int i = 0; i < group; i++, row++)
                AddSingle(args, row, group > 1 ? shared : args.FirstChunk(row), group > 1, pieces);
        }
    }

    // The chunks of a row from one on; those before are in another item where the row shares them.
    private void AddSingle(in AttentionArgs args, int row, int first, bool shares, int pieces)
    {
        int end = args.EndChunk(row), count = end - first;
        pieces = Math.Min(pieces, count);
        if (pieces <= 1 && !shares)
        {
            Add(new AttentionItem(row, 1, first, end, Whole: true));
            return;
        }

        int heads = args.Cache.Shape.NumKvHeads, items = pieces + (shares ? 1 : 0);
        _records[row] = checked((int)Records);
        Records += (long)end * heads * args.HeadsPerKvHead;
        _parts.AsSpan(row * heads, heads).Fill(items);
        for (int i = 0; i < pieces; i++)
            Add(new AttentionItem(row, 1, first + (count * i / pieces), first + (count * (i + 1) / pieces), Whole: false));
    }

    // Chunks that two rows see to their ends and whose blocks are the same.
    private static unsafe int SharedChunks(in AttentionArgs args, int a, int b)
    {
        const int Blocks = AttentionArgs.Chunk / KvCacheShape.BlockSize;
        if (args.Window > 0)
            return 0;
        int most = (Math.Min(args.Positions[a], args.Positions[b]) + 1) / AttentionArgs.Chunk;
        ReadOnlySpan<int> first = new(args.BlockTable(a), most * Blocks), second = new(args.BlockTable(b), most * Blocks);
        return first.CommonPrefixLength(second) / Blocks;
    }

    private void Add(AttentionItem item)
    {
        if (Count == _items.Length)
            Array.Resize(ref _items, 2 * Count);
        _items[Count++] = item;
    }
}
