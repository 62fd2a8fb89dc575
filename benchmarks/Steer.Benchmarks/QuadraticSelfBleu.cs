namespace Steer.Benchmarks;

/// <summary>BLEU of a text against each of the others by its definition, as toolkits compute it: n-grams counted in every other text.</summary>
internal static class QuadraticSelfBleu
{
    private const double Smoothing = 0.1;

    public static double Of(int[][] texts, int text, int order)
    {
        int[] words = texts[text];
        double log = 0;
        for (int n = 1; n <= order; n++)
        {
            var largest = new Dictionary<(int, int, int, int), int>();
            for (int other = 0; other < texts.Length; other++)
            {
                if (other == text)
                    continue;
                foreach (var (gram, count) in Counts(texts[other], n))
                    largest[gram] = Math.Max(count, largest.GetValueOrDefault(gram));
            }

            int matched = Counts(words, n).Sum(c => Math.Min(c.Value, largest.GetValueOrDefault(c.Key)));
            if (n == 1 && matched == 0)
                return 0;
            log += Math.Log((matched == 0 ? Smoothing : matched) / Math.Max(1, words.Length - n + 1)) / order;
        }

        int closest = texts.Where((_, i) => i != text).Select(t => t.Length).MinBy(l => (Math.Abs(l - words.Length), l));
        return Math.Exp(log + Math.Min(0, 1 - (double)closest / words.Length));
    }

    private static Dictionary<(int, int, int, int), int> Counts(int[] words, int n)
    {
        var counts = new Dictionary<(int, int, int, int), int>();
        for (int i = 0; i + n <= words.Length; i++)
        {
            var gram = (words[i], n > 1 ? words[i + 1] : -1, n > 2 ? words[i + 2] : -1, n > 3 ? words[i + 3] : -1);
            counts[gram] = counts.GetValueOrDefault(gram) + 1;
        }

        return counts;
    }
}
