namespace Steer.Runtime.Evaluation;

/// <summary>One metric of a synthetic set, with its interval and what real texts reach.</summary>
public sealed record MetricValue
{
    /// <summary>Stable name, such as self_bleu_4.</summary>
    public required string Name { get; init; }

    /// <summary>The metrics it belongs with.</summary>
    public required MetricGroups Group { get; init; }

    /// <summary>A few words for a table.</summary>
    public required string Title { get; init; }

    /// <summary>Which values are good.</summary>
    public required Direction Direction { get; init; }

    /// <summary>Of the synthetic set, against the real one where it takes two; null where it has none, and then a note says why.</summary>
    public double? Value { get; init; }

    /// <summary>Lower end of the 95% interval; null where none was asked for or there is none.</summary>
    public double? Low { get; init; }

    /// <summary>Upper end.</summary>
    public double? High { get; init; }

    /// <summary>Of one half of the real set, against the other half where it takes two: what a perfect generator would get.</summary>
    public double? Ceiling { get; init; }

    /// <summary>Of as many synthetic texts as a half of the real set has, against the same half as the ceiling: to be compared with it.</summary>
    public double? AtCeiling { get; init; }

    /// <summary>Why there is no value, or what to know about it.</summary>
    public string? Note { get; init; }
}

/// <summary>What an evaluation found.</summary>
public sealed record EvaluationReport
{
    /// <summary>Where the synthetic texts come from.</summary>
    public required string Synthetic { get; init; }

    /// <summary>Where the real texts come from.</summary>
    public required string Real { get; init; }

    /// <summary>Synthetic texts given.</summary>
    public required int SyntheticTexts { get; init; }

    /// <summary>Real texts given.</summary>
    public required int RealTexts { get; init; }

    /// <summary>Texts of each side that <see cref="MetricValue.Value"/> compares: the sets are cut to one size.</summary>
    public required int Compared { get; init; }

    /// <summary>Texts of each side that <see cref="MetricValue.Ceiling"/> compares.</summary>
    public required int Half { get; init; }

    /// <summary>Words of each side that n-grams were counted over.</summary>
    public required int Words { get; init; }

    /// <summary>Width of the embeddings; 0 where there were none.</summary>
    public required int EmbeddingDimensions { get; init; }

    /// <summary>Seed of the evaluation.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The metrics, in the order of a table.</summary>
    public required IReadOnlyList<MetricValue> Values { get; init; }

    /// <summary>Lengths of the synthetic texts.</summary>
    public required LengthDistribution SyntheticLengths { get; init; }

    /// <summary>Lengths of the real texts.</summary>
    public required LengthDistribution RealLengths { get; init; }

    /// <summary>What a classifier learns from synthetic texts; null where texts have no labels.</summary>
    public DownstreamResult? Downstream { get; init; }

    /// <summary>What to know about the whole.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>A metric by its name; null where it was not computed.</summary>
    public MetricValue? this[string name] => Values.FirstOrDefault(v => v.Name == name);
}
