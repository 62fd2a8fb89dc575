namespace Steer.Runtime.Evaluation;

/// <summary>Distinct n-grams and all n-grams of a set.</summary>
public readonly record struct NGramCount(int Unique, int Total)
{
    /// <summary>Unique / total; 0 where there is none.</summary>
    public double Share => Total == 0 ? 0 : (double)Unique / Total;
}

/// <summary>
/// Share of n-grams that are unique: lexical diversity. It falls as a corpus grows, so only equal numbers of words can be compared: see
/// <see cref="Cut"/>.
/// </summary>
public static class UniqueNGrams
{
    /// <summary>Counts n-grams of each order from 1.</summary>
    /// <param name="texts">Word ids.</param>
    /// <param name="maxOrder">Largest n.</param>
    /// <param name="joined">Over the joined text, n-grams across borders included; else within texts alone.</param>
    /// <returns>Element n - 1 is of order n.</returns>
    public static NGramCount[] Count(IReadOnlyList<int[]> texts, int maxOrder, bool joined)
    {
        var index = new NGramIndex(texts, joined);
        var counts = new NGramCount[maxOrder];
        for (int n = 0; n < maxOrder; n++)
        {
            index.Extend();
            counts[n] = new NGramCount(index.Unique, index.Total);
        }

        return counts;
    }

    /// <summary>Product over n = 2..4 of unique / total, over the joined text (Su et al., arXiv 2202.06417).</summary>
    public static double Diversity(IReadOnlyList<int[]> texts) => Diversity(Count(texts, 4, joined: true));

    /// <summary>The same, of what was counted.</summary>
    public static double Diversity(ReadOnlySpan<NGramCount> joined) => joined[1].Share * joined[2].Share * joined[3].Share;

    /// <summary>The first texts that have <paramref name="words"/> words together; the last is cut off in its middle.</summary>
    public static IReadOnlyList<int[]> Cut(IReadOnlyList<int[]> texts, int words)
    {
        var cut = new List<int[]>();
        foreach (int[] text in texts)
        {
            if (words <= 0)
                break;
            cut.Add(text.Length <= words ? text : text[..words]);
            words -= text.Length;
        }

        return cut;
    }
}
