using System.Globalization;
using System.Numerics.Tensors;
using OxyPlot;
using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Reports;

/// <summary>Figures that look at the texts themselves, real ones beside synthetic ones.</summary>
internal static class TextFigures
{
    private const int MapPoints = 400;
    private const int RankPoints = 60;
    private const int FrequentNGrams = 100;

    /// <summary>Both sets on the first two principal components of their embeddings; null where a set has none, or there are too few.</summary>
    public static Figure? Map(EvaluationSet real, EvaluationSet synthetic, string name)
    {
        if (real.Embeddings is not { } a || synthetic.Embeddings is not { } b || a.Dimensions != b.Dimensions
            || a.Dimensions < 2 || a.Rows < 2 || b.Rows < 2)
            return null;
        var components = PrincipalComponents.Fit(a.Above(b));
        EmbeddingMatrix left = components.Project(a, 2), right = components.Project(b, 2);
        double[] centre = left.Mean(), other = right.Mean();
        double apart = TensorPrimitives.Distance<double>(centre, other);
        double spread = Math.Sqrt(Enumerable.Range(0, left.Rows).Average(i => Math.Pow(TensorPrimitives.Distance(left.Row(i), centre), 2)));
        double shown = components.Shares[0] + components.Shares[1];
        string sentence = string.Create(
            CultureInfo.InvariantCulture,
            $"Each point is a text. The two directions hold {shown:0%} of the variance of the embeddings; " +
            $"on them the centres of both sets lie {(spread > 0 ? apart / spread : 0):0.00} times the real texts' spread apart.");
        var plot = Charts.Plot(
            "first component", "second component",
            [new ChartSeries("real", Points(left), 1, Line: false), new ChartSeries(synthetic.Name, Points(right), 0, Line: false)], size: 2.5);
        return Figure.Draw(name, $"Real texts and {synthetic.Name}", sentence, plot, height: 380);
    }

    /// <summary>Share of the texts that have at most so many words.</summary>
    public static Figure Lengths(IReadOnlyList<EvaluationSet> sets, string name)
    {
        var words = new WordSequences();
        int[][] lengths = [.. sets.Select(s => words.Add(s.Texts).Select(t => t.Length).Order().ToArray())];
        ChartSeries[] series =
            [.. sets.Zip(lengths, (set, sorted) => new ChartSeries(set.Name, Steps(sorted), Colour(sets, set), Line: true, Marks: false))];
        string medians = string.Join(", ", sets.Zip(lengths, (s, l) => string.Create(CultureInfo.InvariantCulture, $"{l[l.Length / 2]} ({s.Name})")));
        return Figure.Draw(
            name, "Lengths", $"Share of the texts that have at most so many words. Half of them have at most: {medians}.",
            Charts.Plot("words", "share of texts", series));
    }

    /// <summary>How often each n-gram of a set stands there, the most frequent first, all sets cut to the same number of words.</summary>
    public static Figure Ranks(IReadOnlyList<EvaluationSet> sets, int order, string name)
    {
        var words = new WordSequences();
        int[][][] texts = [.. sets.Select(s => words.Add(s.Texts))];
        int fewest = texts.Min(t => t.Sum(x => x.Length));
        int[][] counts = [.. texts.Select(t => Counts(UniqueNGrams.Cut(t, fewest), order))];
        ChartSeries[] series = [.. sets.Zip(counts, (set, c) => new ChartSeries(set.Name, Ranked(c), Colour(sets, set), Line: true, Marks: false))];
        string shares = string.Join(", ", sets.Zip(counts, (s, c) => string.Create(
            CultureInfo.InvariantCulture, $"{(c.Length == 0 ? 0 : (double)c.Take(FrequentNGrams).Sum() / c.Sum()):0%} ({s.Name})")));
        return Figure.Draw(
            name, $"{order}-grams by rank",
            string.Create(
                CultureInfo.InvariantCulture,
                $"How often each {order}-gram of {fewest:n0} words stands in the texts, the most frequent first. " +
                $"The {FrequentNGrams} most frequent make up {shares} of all."),
            Charts.Plot("rank", "times", series, logX: true, logY: true));
    }

    /// <summary>
    /// The real text whose embedding is most like that of each of these texts, and the cosine; without embeddings, the one that shares most words.
    /// </summary>
    public static IReadOnlyList<(string Text, string Nearest, string Distance)> Nearest(EvaluationSet synthetic, EvaluationSet real, int count)
    {
        bool embedded = synthetic.Embeddings is not null && real.Embeddings?.Dimensions == synthetic.Embeddings.Dimensions;
        EmbeddingMatrix? rows = embedded ? synthetic.Embeddings!.Normalised() : null, others = embedded ? real.Embeddings!.Normalised() : null;
        var words = new WordSequences();
        HashSet<int>[] sets = embedded ? [] : [.. real.Texts.Select(t => words.Add(t).ToHashSet())];
        var pairs = new List<(string, string, string)>();
        for (int i = 0; i < Math.Min(count, synthetic.Texts.Count); i++)
        {
            int[] own = words.Add(synthetic.Texts[i]);
            double[] likeness = embedded
                ? [.. Enumerable.Range(0, others!.Rows).Select(j => TensorPrimitives.Dot(rows!.Row(i), others.Row(j)))]
                : [.. sets.Select(s => s.Count == 0 ? 0 : (double)own.Distinct().Count(s.Contains) / own.Distinct().Union(s).Count())];
            int best = TensorPrimitives.IndexOfMax(likeness);
            pairs.Add((
                synthetic.Texts[i], real.Texts[best],
                string.Create(CultureInfo.InvariantCulture, $" ({(embedded ? "cosine" : "words shared")} {likeness[best]:0.00})")));
        }

        return pairs;
    }

    /// <summary>Real texts have one colour in all figures.</summary>
    private static int Colour(IReadOnlyList<EvaluationSet> sets, EvaluationSet set) => sets.ToList().IndexOf(set) switch
    {
        0 => 1,
        1 => 0,
        var i => i,
    };

    private static List<ChartPoint> Points(EmbeddingMatrix rows) =>
        [.. Enumerable.Range(0, Math.Min(MapPoints, rows.Rows)).Select(i => new ChartPoint(rows.Row(i)[0], rows.Row(i)[1]))];

    private static List<ChartPoint> Steps(int[] sorted)
    {
        var points = new List<ChartPoint>();
        for (int i = 0; i < sorted.Length; i++)
        {
            if (i + 1 == sorted.Length || sorted[i + 1] != sorted[i])
                points.Add(new ChartPoint(sorted[i], (i + 1.0) / sorted.Length));
        }

        return points;
    }

    private static int[] Counts(IReadOnlyList<int[]> texts, int order)
    {
        var index = new NGramIndex(texts, joined: false);
        for (int n = 0; n < order; n++)
            index.Extend();
        var counts = new int[index.Unique];
        foreach (int gram in index.Grams)
        {
            if (gram >= 0)
                counts[gram]++;
        }

        Array.Sort(counts, (a, b) => b.CompareTo(a));
        return counts;
    }

    /// <summary>Ranks at equal steps of their logarithm.</summary>
    private static List<ChartPoint> Ranked(int[] counts)
    {
        var points = new List<ChartPoint>();
        int last = 0;
        for (int i = 0; i <= RankPoints && counts.Length > 0; i++)
        {
            int rank = (int)Math.Round(Math.Pow(counts.Length, (double)i / RankPoints));
            if (rank > last)
                points.Add(new ChartPoint(rank, counts[rank - 1]));
            last = rank;
        }

        return points;
    }
}
