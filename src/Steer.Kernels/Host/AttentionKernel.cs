namespace Steer.Kernels.Host;

/// <summary>What all parts of an attention launch share.</summary>
internal unsafe struct AttentionArgs
{
    public HostMatrix Q;
    public HostMatrix Y;
    public HostKvCache Cache;
    public int Layer;

    /// <summary>Position of each row.</summary>
    public int* Positions;

    /// <summary>Context of each row.</summary>
    public int* Contexts;

    /// <summary>Blocks of the contexts, one below the other.</summary>
    public int* BlockTables;
    public int BlockTableStride;
    public float Scale;
    public int Window;
    public float SoftCap;

    /// <summary>Slope of each query head, or null.</summary>
    public float* Slopes;

    /// <summary>Query heads that read one kv head.</summary>
    public readonly int HeadsPerKvHead => Q.Columns / (Cache.Shape.HeadDim * Cache.Shape.NumKvHeads);

    /// <summary>First position that a row at <paramref name="position"/> sees.</summary>
    public readonly int FirstVisible(int position) => Window > 0 ? Math.Max(0, position - Window + 1) : 0;
}

/// <summary>Neighbouring rows of one context, and which of the query heads of a kv head, that are worked on together.</summary>
internal readonly record struct AttentionItem(int FirstRow, int Rows, int FirstHead, int Heads);

/// <summary>
/// Attention over the paged cache: rows of a context and the query heads that share a kv head go through its keys and values as one tile.
/// Each thread takes the next (item, kv head) that nobody has begun, with memory of its own.
/// </summary>
internal sealed unsafe class AttentionKernel : ParallelJob, IDisposable
{
    // Multiply-adds below which the caller alone is faster.
    private const long TeamCost = 1 << 18;

    private readonly ThreadTeam _team;
    private readonly TileSet _tiles;
    private readonly AttentionTile[] _memory;
    private AttentionItem[] _items = new AttentionItem[64];
    private AttentionArgs _args;
    private int _itemCount;
    private int _next;

    public AttentionKernel(ThreadTeam team, TileSet tiles)
    {
        _team = team;
        _tiles = tiles;
        _memory = new AttentionTile[team.Threads];
        for (int i = 0; i < _memory.Length; i++)
            _memory[i] = new AttentionTile(tiles);
    }

    /// <summary>Runs.</summary>
    /// <exception cref="ArgumentException">A position lies beyond its context's block table.</exception>
    public void Launch(in AttentionArgs args)
    {
        _args = args;
        _itemCount = 0;
        long cost = 0;
        int row = 0;
        while (row < args.Q.Rows)
            row += AddItems(row, ref cost);
        _next = -1;
        _team.Run(this, cost < TeamCost ? 1 : _memory.Length);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        int kvHeads = _args.Cache.Shape.NumKvHeads;
        int count = _itemCount * kvHeads;
        for (int i = Interlocked.Increment(ref _next); i < count; i = Interlocked.Increment(ref _next))
            _memory[part].Run(_args, _items[i / kvHeads], i % kvHeads);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var memory in _memory)
            memory.Dispose();
    }

    // Makes items of as many rows from the given one on as belong together, and returns their number.
    private int AddItems(int first, ref long cost)
    {
        int share = _args.HeadsPerKvHead;
        int rows = 1, most = Math.Max(1, _tiles.MaxRows / share);
        Check(first);
        while (rows < most && first + rows < _args.Q.Rows && Follows(first + rows))
            Check(first + rows++);

        int chunks = (share + _tiles.MaxRows - 1) / _tiles.MaxRows;
        for (int i = 0; i < chunks; i++)
        {
            int head = share * i / chunks;
            if (_itemCount == _items.Length)
                Array.Resize(ref _items, 2 * _itemCount);
            _items[_itemCount++] = new AttentionItem(first, rows, head, (share * (i + 1) / chunks) - head);
        }
        int last = _args.Positions[first + rows - 1];
        cost += 2L * rows * _args.Q.Columns * (last - _args.FirstVisible(last) + 1);
        return rows;
    }

    private bool Follows(int row) =>
        _args.Contexts[row] == _args.Contexts[row - 1] && _args.Positions[row] >= _args.Positions[row - 1];

    private void Check(int row)
    {
        int position = _args.Positions[row];
        if (position < 0 || position / KvCacheShape.BlockSize >= _args.BlockTableStride)
            throw new ArgumentException($"Attention: position {position} in a block table of {_args.BlockTableStride}.");
    }
}
