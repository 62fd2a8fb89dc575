using System.Runtime.InteropServices;
using System.Text;

namespace Steer.Runtime.Datasets;

/// <summary>Tells texts that fell into a loop: the same words, up to 16 of them, four times in a row, or one word six times.</summary>
internal static class RepetitionLoop
{
    private const int LongestPeriod = 16;
    private const int Copies = 4;
    private const int CopiesOfOneWord = 6;

    /// <summary>
    /// Makes what watches a text while it is made: true once its whole words hold a loop. The last word may still grow, so a text is ended early
    /// only where it would be refused at its end, and what is accepted does not depend on it.
    /// </summary>
    public static Func<string, bool> Watch()
    {
        var unfinished = new StringBuilder();
        var words = new List<ulong>();
        return piece =>
        {
            int separator = piece.AsSpan().LastIndexOfAny(TextWords.Separators);
            if (separator < 0)
            {
                unfinished.Append(piece);
                return false;
            }

            // Words on both sides of a separator do not change each other, so each is made once; and the longest loop that ends in new ones reaches
            // so far back.
            words.RemoveRange(0, Math.Max(0, words.Count - LongestPeriod * Copies));
            words.AddRange(TextWords.Of(unfinished.Append(piece, 0, separator + 1).ToString()));
            unfinished.Clear().Append(piece, separator + 1, piece.Length - separator - 1);
            return In(CollectionsMarshal.AsSpan(words));
        };
    }

    public static bool In(ReadOnlySpan<ulong> words)
    {
        for (int period = 1; period <= LongestPeriod; period++)
        {
            // Copies of a stretch of p words are a run of words that equal the one p places before.
            int needed = period * ((period == 1 ? CopiesOfOneWord : Copies) - 1), run = 0;
            for (int i = period; i < words.Length; i++)
            {
                run = words[i] == words[i - period] ? run + 1 : 0;
                if (run == needed)
                    return true;
            }
        }

        return false;
    }
}
