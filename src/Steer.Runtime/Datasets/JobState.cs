namespace Steer.Runtime.Datasets;

/// <summary>
/// How far a job is. It follows from the lines alone: what each item of each round became, in order. A resumed job goes through the
/// lines with the same steps as the one that wrote them.
/// </summary>
internal sealed class JobState
{
    private readonly DatasetJobConfig _config;
    private readonly LabelPools _pools;
    private readonly SortedDictionary<string, long> _rejected = new(StringComparer.Ordinal);
    private List<DatasetItem> _retries = [];
    private int _nextNew;

    public JobState(DatasetJobConfig config, LabelPools pools)
    {
        (_config, _pools) = (config, pools);
        Round = -1;
        _nextNew = config.Shard?.Index ?? 0;
        BeginRound();
    }

    /// <summary>The current round, from 0.</summary>
    public int Round { get; private set; }

    /// <summary>Its items, in order; none where the job is done.</summary>
    public IReadOnlyList<DatasetItem> Items { get; private set; } = [];

    /// <summary>Items of the round that are judged.</summary>
    public int Judged { get; private set; }

    public bool Done => Items.Count == 0;

    /// <summary>The item to be judged next.</summary>
    public DatasetItem Current => Items[Judged];

    public int Accepted { get; private set; }

    /// <summary>Items whose attempts are used up.</summary>
    public int GivenUp { get; private set; }

    /// <summary>Generated tokens of all lines.</summary>
    public long Tokens { get; private set; }

    /// <summary>Texts refused, by reason.</summary>
    public IReadOnlyDictionary<string, long> Rejected => _rejected;

    /// <summary>The current item is accepted.</summary>
    public void Accept(string text, int tokens)
    {
        Accepted++;
        if (_config.GrowPool)
            _pools.Add(Current.Id, text);
        Advance(tokens);
    }

    /// <summary>The current item is refused, and comes again in the next round while it has attempts left.</summary>
    public void Reject(string reason, int tokens)
    {
        _rejected[reason] = _rejected.GetValueOrDefault(reason) + 1;
        var item = Current;
        if (item.Attempt + 1 < _config.MaxAttempts)
            _retries.Add(item with { Attempt = item.Attempt + 1 });
        else
            GivenUp++;
        Advance(tokens);
    }

    private void Advance(int tokens)
    {
        Tokens += tokens;
        if (++Judged == Items.Count)
            BeginRound();
    }

    /// <summary>A round holds what the last one refused, and new items up to its size: in the order of their ids, since new ones come last.</summary>
    private void BeginRound()
    {
        Round++;
        Judged = 0;
        var items = _retries;
        _retries = [];
        for (; items.Count < _config.RoundSize && _nextNew < _config.Count; _nextNew += _config.Shard?.Count ?? 1)
            items.Add(new DatasetItem(_nextNew, 0));
        Items = items;
        _pools.Freeze();
    }
}
