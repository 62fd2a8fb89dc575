namespace Steer.Runtime.Evaluation;

/// <summary>A metric: its name, a few words, which values are good, and between which it lies.</summary>
internal sealed record MetricInfo(string Name, string Title, Direction Direction, double Least = 0, double Most = 1);

/// <summary>A metric of one pair of sets.</summary>
/// <param name="Value">Null where it has none.</param>
/// <param name="Resample">
/// Values of so many resamples with replacement, by a seed, ascending; null where copies of a text would ruin the metric, and then half-samples are
/// taken.
/// </param>
/// <param name="Note">What to know about it.</param>
internal readonly record struct Measurement(double? Value, Func<int, ulong, double[]>? Resample = null, string? Note = null)
{
    public static implicit operator Measurement(double value) => new(value);

    /// <summary>The mean of a number for each text.</summary>
    public static Measurement MeanOf(double[] perText, string? note = null) =>
        new(perText.Average(), (resamples, seed) => Bootstrap.Means(perText, resamples, seed), note);
}

/// <summary>Metrics that one computation gives.</summary>
/// <param name="Group">What they belong with.</param>
/// <param name="Metrics">In the order of what <paramref name="Measure"/> gives.</param>
/// <param name="NeedsEmbeddings">Only where both sets have embeddings.</param>
/// <param name="Measure">Computes them.</param>
internal sealed record MetricFamily(
    MetricGroups Group, IReadOnlyList<MetricInfo> Metrics, bool NeedsEmbeddings, Func<EvaluationPair, Measurement[]> Measure)
{
    /// <summary>Computed on the device, which takes one caller at a time.</summary>
    public bool OnDevice { get; init; }
}
