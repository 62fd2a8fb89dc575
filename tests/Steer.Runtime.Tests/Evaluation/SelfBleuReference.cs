namespace Steer.Runtime.Tests.Evaluation;

/// <summary>BLEU of a text against each of the others, by its definition: n-grams counted in every other text.</summary>
internal static class SelfBleuReference
{
    public static double Of(int[][] texts, int text, int order)
    {
        int[] words = texts[text];
        var others = texts.Where((_, i) => i != text).ToList();
        double log = 0;
        for (int n = 1; n <= order; n++)
        {
            var counts = Counts(words, n);
            var theirs = others.Select(o => Counts(o, n)).ToList();
            int matched = counts.Sum(c => Math.Min(c.Value, theirs.Max(t => t.GetValueOrDefault(c.Key))));
            if (n == 1 && matched == 0)
                return 0;
            log += Math.Log((matched == 0 ? 0.1 : matched) / Math.Max(1, words.Length - n + 1)) / order;
        }

        int closest = others.Select(o => o.Length).MinBy(l => (Math.Abs(l - words.Length), l));
        return Math.Exp(log + (words.Length > closest ? 0 : 1 - (double)closest / words.Length));
    }

    private static Dictionary<string, int> Counts(int[] words, int n) => Enumerable.Range(0, Math.Max(0, words.Length - n + 1))
        .Select(i => string.Join(' ', words[i..(i + n)])).CountBy(g => g).ToDictionary();
}
