namespace Steer.Runtime.Evaluation;

/// <summary>Lengths of texts in words.</summary>
public sealed record LengthDistribution
{
    /// <summary>Mean.</summary>
    public required double Mean { get; init; }

    /// <summary>Standard deviation, by n - 1.</summary>
    public required double StandardDeviation { get; init; }

    /// <summary>Quantiles 0.05, 0.25, 0.5, 0.75, 0.95, linear between neighbours.</summary>
    public required IReadOnlyList<double> Quantiles { get; init; }

    /// <summary>Of a set of texts; at least one.</summary>
    public static LengthDistribution Of(IReadOnlyList<int[]> texts)
    {
        double[] lengths = [.. texts.Select(t => (double)t.Length).Order()];
        double mean = lengths.Average();
        double variance = lengths.Length < 2 ? 0 : lengths.Sum(l => (l - mean) * (l - mean)) / (lengths.Length - 1);
        return new LengthDistribution
        {
            Mean = mean,
            StandardDeviation = Math.Sqrt(variance),
            Quantiles = [.. new[] { 0.05, 0.25, 0.5, 0.75, 0.95 }.Select(q => Quantile.OfSorted(lengths, q))],
        };
    }

    /// <summary>
    /// Kolmogorov-Smirnov distance: the largest difference of the shares of texts up to a length, over all lengths; 0 where they are distributed
    /// alike.
    /// </summary>
    public static double Distance(IReadOnlyList<int[]> a, IReadOnlyList<int[]> b)
    {
        int[] first = [.. a.Select(t => t.Length).Order()], second = [.. b.Select(t => t.Length).Order()];
        double largest = 0;
        for (int i = 0, j = 0; i < first.Length && j < second.Length;)
        {
            int length = Math.Min(first[i], second[j]);
            while (i < first.Length && first[i] == length)
                i++;
            while (j < second.Length && second[j] == length)
                j++;
            largest = Math.Max(largest, Math.Abs((double)i / first.Length - (double)j / second.Length));
        }

        return largest;
    }
}
