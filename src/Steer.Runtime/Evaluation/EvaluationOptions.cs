namespace Steer.Runtime.Evaluation;

/// <summary>How an evaluation is done.</summary>
public sealed record EvaluationOptions
{
    /// <summary>
    /// Seed of every choice: subsets, halves, folds, k-means, bootstrap. The same seed gives the same numbers, on any number of threads.
    /// </summary>
    public ulong Seed { get; init; }

    /// <summary>Metrics to compute; those whose input is missing are stated as such.</summary>
    public MetricGroups Metrics { get; init; } = MetricGroups.All;

    /// <summary>Resamples of the intervals of means and of the AUROC; 0 for no intervals there.</summary>
    public int Bootstrap { get; init; } = 1000;

    /// <summary>Pairs of half-samples for the intervals of all other metrics; 0 for no intervals there.</summary>
    public int HalfSamples { get; init; } = 20;

    /// <summary>Whether to compare one half of the real set with the other.</summary>
    public bool Ceiling { get; init; } = true;

    /// <summary>Most texts of a side: larger sets are cut to a random subset. Memory grows with its square (12 bytes times the square).</summary>
    public int MaxTexts { get; init; } = 5000;

    /// <summary>Most words that n-grams are counted over, on each side; null for those of the smaller side.</summary>
    public int? MaxWords { get; init; }

    /// <summary>
    /// Wider embeddings are reduced to as many directions: the time of MAUVE, Vendi and Frechet grows with the third power of the width.
    /// </summary>
    public int MaxDimensions { get; init; } = 256;

    /// <summary>Throws where a number is outside its range.</summary>
    /// <exception cref="SteerException">One line that names the option.</exception>
    public void Check()
    {
        if (Bootstrap is < 0 or > 1_000_000)
            throw new SteerException($"bootstrap is {Bootstrap}: give a number from 0 to 1000000.");
        if (HalfSamples is < 0 or 1 or > 10_000)
            throw new SteerException($"half-samples is {HalfSamples}: give 0 for no intervals, or a number from 2 to 10000.");
        if (MaxTexts is < EvaluationSet.FewestTexts or > 20_000)
            throw new SteerException($"max-texts is {MaxTexts}: give a number from {EvaluationSet.FewestTexts} to 20000.");
        if (MaxDimensions is < 2 or > 8192)
            throw new SteerException($"max-dimensions is {MaxDimensions}: give a number from 2 to 8192.");
        if (MaxWords is < 1)
            throw new SteerException($"max-words is {MaxWords}: give at least 1.");
    }
}
