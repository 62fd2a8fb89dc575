namespace Steer.Runtime.Datasets;

/// <summary>
/// The pools that the negatives of a job come from: one for each label whose name real examples carry, and one, of the examples that carry none,
/// for all other labels and for jobs without labels.
/// </summary>
internal sealed class LabelPools
{
    private readonly DatasetJobConfig _config;
    private readonly Func<string, float[]>? _embed;
    private readonly Dictionary<string, Pool> _labelled = new(StringComparer.Ordinal);
    private readonly Pool _others;

    /// <param name="config">The job.</param>
    /// <param name="sources">Real examples.</param>
    /// <param name="embed">The caller's embedding; null for <see cref="TextVectors"/>. Not called where negatives are drawn uniformly.</param>
    public LabelPools(DatasetJobConfig config, DatasetSources sources, Func<string, float[]>? embed)
    {
        _config = config;
        _embed = config.NegativeChoice == NegativeChoice.Similar ? embed ?? TextVectors.Embed : null;
        _others = new Pool(_embed is not null);
        var names = config.Labels.Select(l => l.Name).ToHashSet(StringComparer.Ordinal);
        for (int i = 0; i < sources.Real.Count; i++)
        {
            string? label = i < sources.RealLabels.Count && names.Contains(sources.RealLabels[i] ?? "") ? sources.RealLabels[i] : null;
            if (label is not null && !_labelled.ContainsKey(label))
                _labelled.Add(label, new Pool(_embed is not null));
            Add(label is null ? _others : _labelled[label], sources.Real[i], i);
        }

        Freeze();
    }

    /// <summary>The pool of an item, as the last <see cref="Freeze"/> found it.</summary>
    public NegativePool Of(int item) => PoolOf(item).Snapshot;

    /// <summary>What stands at a place of an item's pool, in a word.</summary>
    public string NameOf(int item, int index) => Name(PoolOf(item).Origins[index]);

    /// <summary>An accepted example joins the pool of its label.</summary>
    public void Add(int item, string text) => Add(PoolOf(item), text, ~item);

    /// <summary>What was added becomes part of the pools.</summary>
    public void Freeze()
    {
        foreach (var pool in _labelled.Values.Append(_others))
            pool.Snapshot = new NegativePool(pool.Texts, pool.Vectors);
    }

    private Pool PoolOf(int item) => _config.LabelOf(item) is { } label ? _labelled.GetValueOrDefault(label.Name, _others) : _others;

    private static string Name(int origin) => origin >= 0 ? $"real:{origin}" : $"item:{~origin}";

    private void Add(Pool pool, string text, int origin)
    {
        pool.Texts.Add(text);
        pool.Origins.Add(origin);
        if (_embed is null)
            return;
        float[] vector = NegativePool.Normalise(_embed(text));
        if (pool.Vectors!.Count > 0 && pool.Vectors[0].Length != vector.Length)
        {
            throw new SteerException(
                $"The embedding of {Name(origin)} has {vector.Length} numbers and others have {pool.Vectors[0].Length}: give all the same.");
        }

        pool.Vectors.Add(vector);
    }

    private sealed class Pool(bool embedded)
    {
        public List<string> Texts { get; } = [];

        /// <summary>Place among the real examples, or the complement of an item's id.</summary>
        public List<int> Origins { get; } = [];

        public List<float[]>? Vectors { get; } = embedded ? [] : null;

        public NegativePool Snapshot { get; set; } = new([]);
    }
}
