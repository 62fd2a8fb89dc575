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
    /// <exception cref="ArgumentException">A position lies beyond its context's block table.</exception>
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
        // From the end: the items of a prompt that see most come last, and are best begun first.
        int kvHeads = _args.Cache.Shape.NumKvHeads;
        for (int i = Interlocked.Decrement(ref _next); i >= 0; i = Interlocked.Decrement(ref _next))
            Run(_workers[part], _plan[i / kvHeads], i % kvHeads, kvHeads);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var worker in _workers)
            worker.Dispose();
        _records.Dispose();
    }

    private void Run(AttentionWorker worker, in AttentionItem item, int kvHead, int kvHeads)
    {
        if (item.Whole)
        {
            worker.Run(_args, item, kvHead);
            return;
        }

        worker.RunParts(_args, item, kvHead, _plan, _records.Data);
        for (int row = item.FirstRow; row < item.FirstRow + item.Rows; row++)
        {
            if (_plan.Finish(row, kvHead, kvHeads))
                worker.Join(_args, row, kvHead, _plan, _records.Data);
        }
    }
}
