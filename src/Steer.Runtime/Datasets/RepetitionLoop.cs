namespace Steer.Runtime.Datasets;

/// <summary>Tells texts that fell into a loop: the same words, up to 16 of them, four times in a row, or one word six times.</summary>
internal static class RepetitionLoop
{
    private const int LongestPeriod = 16;
    private const int Copies = 4;
    private const int CopiesOfOneWord = 6;

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
