namespace Steer.Kernels.Host;

/// <summary>
/// What a thread does at a time: an item of the plan for one kv head. Records of its blocks are fetched a chunk ahead; towards its end these are the
/// first of what the thread does next, so that memory is never waited for between two items.
/// </summary>
internal readonly unsafe struct AttentionWork
{
    private const int MaxBlocks = AttentionTileArgs.MaxBlocks;
    private const int CacheLine = 64;

    private readonly HostKvCache _cache;
    private readonly byte* _records;
    private readonly int* _table;
    private readonly int _firstBlock;
    private readonly int _endBlock;

    public AttentionWork(in AttentionArgs args, in AttentionItem item, int kvHead)
    {
        (Item, KvHead, _cache) = (item, kvHead, args.Cache);
        _records = _cache.Record(args.Layer, kvHead, 0);
        _table = args.BlockTable(item.FirstRow);
        _firstBlock = item.FirstChunk * MaxBlocks;
        int last = args.Positions[item.FirstRow + item.Rows - 1];
        _endBlock = Math.Min(item.EndChunk * MaxBlocks, (last / KvCacheShape.BlockSize) + 1);
    }

    /// <summary>There is something to do: not the default.</summary>
    public bool Exists => Item.Rows > 0;

    /// <summary>The item.</summary>
    public AttentionItem Item { get; }

    /// <summary>The kv head.</summary>
    public int KvHead { get; }

    /// <summary>Blocks of a chunk.</summary>
    public int Blocks(int chunk) => Math.Min(MaxBlocks, _endBlock - (chunk * MaxBlocks));

    /// <summary>Has the first chunk fetched.</summary>
    /// <exception cref="ArgumentException">A block is not in the cache.</exception>
    public void FetchFirst()
    {
        for (int block = _firstBlock; block < Math.Min(_firstBlock + MaxBlocks, _endBlock); block++)
        {
            byte* record = (byte*)Record(block);
            for (int offset = 0; offset < _cache.RecordBytes; offset += CacheLine)
                Prefetch.Read(record + offset);
        }
    }

    /// <summary>Finds the records of a chunk, and for each what lies a chunk behind it: in this work, else in the next.</summary>
    /// <param name="chunk">The chunk.</param>
    /// <param name="next">What the thread does next; the default for nothing.</param>
    /// <param name="tile">Out: blocks, and what to fetch.</param>
    /// <exception cref="ArgumentException">A block is not in the cache.</exception>
    public void Find(int chunk, in AttentionWork next, AttentionTileArgs* tile)
    {
        int first = chunk * MaxBlocks, count = Blocks(chunk);
        for (int i = 0; i < MaxBlocks; i++)
        {
            int ahead = first + MaxBlocks + i, beyond = next._firstBlock + ahead - _endBlock;
            tile->Blocks[i] = i < count ? Record(first + i) : tile->Blocks[count - 1];
            tile->Next[i] = i >= count ? tile->Blocks[i]
                : ahead < _endBlock ? Record(ahead)
                : beyond < next._endBlock ? next.Record(beyond)
                : tile->Blocks[i];
        }
    }

    private long Record(int block)
    {
        int number = _table[block];
        if ((uint)number >= (uint)_cache.Shape.NumBlocks)
            throw new ArgumentException($"Attention: block {number} of a cache of {_cache.Shape.NumBlocks}.");
        return (long)_records + (number * _cache.BlockBytes);
    }
}
