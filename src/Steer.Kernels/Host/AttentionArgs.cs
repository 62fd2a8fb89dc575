namespace Steer.Kernels.Host;

/// <summary>What all parts of an attention launch share.</summary>
internal unsafe struct AttentionArgs
{
    /// <summary>
    /// Positions whose scores, maximum and weighted values are worked out together, for every query alike: position p is in chunk p / 64, whatever is
    /// in the batch. A query's chunks are then joined in ascending order, so its bits do not depend on who works on which.
    /// </summary>
    public const int Chunk = 64;

    public HostMatrix Q;
    public HostMatrix Y;
    public HostKvCache Cache;

    /// <summary>What multiplies with the cache.</summary>
    public AttentionFormat Format;
    public int Layer;

    /// <summary>Query heads that read one kv head.</summary>
    public int HeadsPerKvHead;

    /// <summary>Position of each row.</summary>
    public int* Positions;

    /// <summary>Context of each row.</summary>
    public int* Contexts;

    /// <summary>Blocks of the contexts, one below the other.</summary>
    public int* BlockTables;
    public long BlockTablesLength;
    public int BlockTableStride;
    public float Scale;
    public int Window;
    public float SoftCap;

    /// <summary>Slope of each query head, or null.</summary>
    public float* Slopes;

    /// <summary>First position that a row at <paramref name="position"/> sees.</summary>
    public readonly int FirstVisible(int position) => Window > 0 ? Math.Max(0, position - Window + 1) : 0;

    /// <summary>First chunk that a row sees something of.</summary>
    public readonly int FirstChunk(int row) => FirstVisible(Positions[row]) / Chunk;

    /// <summary>One more than the last chunk that a row sees something of.</summary>
    public readonly int EndChunk(int row) => (Positions[row] / Chunk) + 1;

    /// <summary>Blocks of a row's context.</summary>
    public readonly int* BlockTable(int row) => BlockTables + ((long)Contexts[row] * BlockTableStride);
}

/// <summary>
/// Neighbouring rows that go through the same blocks of the cache together, from one chunk to before another: rows of one context, or single rows of
/// several contexts that begin alike.
/// </summary>
/// <param name="FirstRow">First row.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="FirstChunk">First chunk.</param>
/// <param name="EndChunk">One more than the last chunk.</param>
/// <param name="Whole">The item has all that its rows see; else chunks are kept apart until the last item of a row is done.</param>
internal readonly record struct AttentionItem(int FirstRow, int Rows, int FirstChunk, int EndChunk, bool Whole);
