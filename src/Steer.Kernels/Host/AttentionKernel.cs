namespace Steer.Kernels.Host;

/// <summary>
/// Attention over the paged cache. Each thread takes the next item of the <see cref="AttentionPlan"/> and kv head that nobody has begun, with memory
/// of its own; whoever finishes the last item of a row joins its chunks.
/// </summary>
internal sealed unsafe class AttentionKernel : ParallelJob, IDisposable
{
    // Multiply-adds below which the caller alone is faster.
    private const long TeamCost = 1 << 17;

    private readonly ThreadTeam _team;
    private readonly AttentionTiles _tiles;
    private readonly AttentionWorker[] _workers;
    private readonly AttentionPlan _plan = new();
    private readonly Scratch<float> _records = new();
    private AttentionArgs _args;
    private int _next;

    public AttentionKernel(ThreadTeam team, AttentionTiles tiles)
    {
        _team = team;
        _tiles = tiles;
        _workers = new AttentionWorker[team.Threads];
        for (int i = 0; i < _workers.Length; i++)
            _workers[i] = new AttentionWorker(tiles.MaxQueries);
    }

    /// <summary>Runs.</summary>
    /// <exception cref="ArgumentException">A context has no block table, a position lies beyond it, or a block is not in the cache.</exception>
    public void Launch(in AttentionArgs args)
    {
        _args = args;
        _args.Format = _tiles.For(args.Cache.Shape);
        _plan.Make(args, _team.Threads);
        _records.Reserve(_plan.Records * AttentionWorker.RecordLength(args.Cache.Shape.HeadDim));
        _next = _plan.Count * args.Cache.Shape.NumKvHeads;
        _team.Run(this, _plan.Cost < TeamCost ? 1 : _workers.Length);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        var worker = _workers[part];
        var work = Take();
        if (work.Exists)
            work.FetchFirst();
        while (work.Exists)
        {
            var next = Take();
            Run(worker, work, next);
            work = next;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var worker in _workers)
            worker.Dispose();
        _records.Dispose();
    }

    // From the end: the items of a prompt that see most come last, and are best begun first.
    private AttentionWork Take()
    {
        int i = Interlocked.Decrement(ref _next), kvHeads = _args.Cache.Shape.NumKvHeads;
        return i < 0 ? default : new(_args, _plan[i / kvHeads], i % kvHeads);
    }

    private void Run(AttentionWorker worker, in AttentionWork work, in AttentionWork next)
    {
        var item = work.Item;
        if (item.Whole)
        {
            worker.Run(_args, work, next);
            return;
        }

        worker.RunParts(_args, work, next, _plan, _records.Data);
        for (int row = item.FirstRow; row < item.FirstRow + item.Rows; row++)
        {
            if (_plan.Finish(row, work.KvHead, _args.Cache.Shape.NumKvHeads))
                worker.Join(_args, row, work.KvHead, _plan, _records.Data);
        }
    }
}
