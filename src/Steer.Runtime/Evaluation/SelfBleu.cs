namespace Steer.Runtime.Evaluation;

/// <summary>
/// Self-BLEU (Zhu et al., arXiv 1802.01886): BLEU of each text against all others; 1 where texts repeat each other. Smoothing by 0.1 where no n-gram
/// of an order is matched (method 1 of Chen and Cherry, 2014), uniform weights, and the brevity penalty of the closest length.
/// </summary>
/// <remarks>
/// Linear in the n-grams: the count at which an n-gram is clipped is the largest of any other text, and that is the largest of all texts or, in the
/// text that holds the largest, the second.
/// </remarks>
public static class SelfBleu
{
    private const double Smoothing = 0.1;

    /// <summary>BLEU-n of each text for n = 1..maxOrder.</summary>
    /// <param name="texts">Word ids; at least two texts.</param>
    /// <param name="maxOrder">Largest n.</param>
    /// <returns>[n - 1][text], each from 0 to 1. A text without a word that any other has gets 0.</returns>
    /// <exception cref="ArgumentException">There are fewer than two texts.</exception>
    public static double[][] PerText(IReadOnlyList<int[]> texts, int maxOrder)
    {
        if (texts.Count < 2)
            throw new ArgumentException("Self-BLEU takes at least two texts.", nameof(texts));
        var index = new NGramIndex(texts, joined: false);
        var logPrecisions = new double[texts.Count];
        var overlaps = new bool[texts.Count];
        double[] logBrevity = LogBrevity(texts);
        var scores = new double[maxOrder][];
        for (int n = 1; n <= maxOrder; n++)
        {
            index.Extend();
            int[] matches = Matches(texts, index);
            scores[n - 1] = new double[texts.Count];
            for (int t = 0; t < texts.Count; t++)
            {
                if (n == 1)
                    overlaps[t] = matches[t] > 0;
                logPrecisions[t] += Math.Log((matches[t] > 0 ? matches[t] : Smoothing) / Math.Max(1, texts[t].Length - n + 1));
                scores[n - 1][t] = overlaps[t] ? Math.Exp(logBrevity[t] + logPrecisions[t] / n) : 0;
            }
        }

        return scores;
    }

    /// <summary>n-grams of each text that another has too, each counted at most as often as in the other text that has it most.</summary>
    private static int[] Matches(IReadOnlyList<int[]> texts, NGramIndex index)
    {
        var grams = new GramCounts[index.Unique];
        ForEachGram(texts, index, (text, gram, count) =>
        {
            ref var g = ref grams[gram];
            if (count > g.Largest)
                g = new GramCounts(count, g.Largest, text);
            else if (count > g.Second)
                g = g with { Second = count };
        });
        var matches = new int[texts.Count];
        ForEachGram(texts, index, (text, gram, count) =>
        {
            var (largest, second, holder) = grams[gram];
            matches[text] += Math.Min(count, holder == text ? second : largest);
        });
        return matches;
    }

    /// <summary>Calls once for each text and each distinct n-gram in it.</summary>
    private static void ForEachGram(IReadOnlyList<int[]> texts, NGramIndex index, Action<int, int, int> visit)
    {
        var counts = new int[index.Unique];
        int start = 0;
        for (int t = 0; t < texts.Count; t++)
        {
            var grams = index.Grams.Slice(start, Math.Max(0, texts[t].Length - index.Order + 1));
            foreach (int gram in grams)
                counts[gram]++;
            foreach (int gram in grams)
            {
                if (counts[gram] > 0)
                    visit(t, gram, counts[gram]);
                counts[gram] = 0;
            }

            start += texts[t].Length;
        }
    }

    /// <summary>min(0, 1 - r / length), r the length closest to the text's own among all others, the shorter where two are as close.</summary>
    private static double[] LogBrevity(IReadOnlyList<int[]> texts)
    {
        int[] sorted = [.. texts.Select(t => t.Length).Order()];
        return [.. texts.Select(t => t.Length == 0 ? 0 : Math.Min(0, 1 - (double)Closest(sorted, t.Length) / t.Length))];
    }

    private static int Closest(int[] sorted, int length)
    {
        int first = LowerBound(sorted, length), after = LowerBound(sorted, length + 1);
        if (after - first > 1)
            return length;
        int shorter = first > 0 ? sorted[first - 1] : -1, longer = after < sorted.Length ? sorted[after] : -1;
        if (shorter < 0 || longer < 0)
            return Math.Max(shorter, longer);
        return length - shorter <= longer - length ? shorter : longer;
    }

    private static int LowerBound(int[] sorted, int value)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sorted[middle] < value)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }

    private readonly record struct GramCounts(int Largest, int Second, int Holder);
}
