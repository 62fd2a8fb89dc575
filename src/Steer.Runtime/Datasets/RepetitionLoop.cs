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
        var text = new StringBuilder();
        return piece =>
        {
            text.Append(piece);
            return piece.AsSpan().IndexOfAny(TextWords.Separators) >= 0 && In(TextWords.OfWhole(text.ToString()));
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
