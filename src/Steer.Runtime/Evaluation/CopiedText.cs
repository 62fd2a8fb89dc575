namespace Steer.Runtime.Evaluation;

/// <summary>What a text repeats.</summary>
/// <param name="Exact">All of its words, in order, are a real or an earlier synthetic text.</param>
/// <param name="LongestRun">Words of the longest run that it has in common with a real or an earlier synthetic text.</param>
public readonly record struct Copy(bool Exact, int LongestRun);

/// <summary>Synthetic texts that repeat real or earlier synthetic ones.</summary>
public static class CopiedText
{
    /// <summary>What each synthetic text repeats; in time linear in the words.</summary>
    /// <param name="synthetic">Word ids, in the order in which the texts were made.</param>
    /// <param name="real">Word ids.</param>
    public static Copy[] Find(IReadOnlyList<int[]> synthetic, IReadOnlyList<int[]> real)
    {
        var runs = new SuffixAutomaton();
        var whole = new HashSet<int[]>(real, new SequenceComparer());
        foreach (int[] text in real)
            runs.Add(text);
        var copies = new Copy[synthetic.Count];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = new Copy(!whole.Add(synthetic[i]), runs.LongestRun(synthetic[i]));
            runs.Add(synthetic[i]);
        }

        return copies;
    }

    private sealed class SequenceComparer : IEqualityComparer<int[]>
    {
        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(int[] words)
        {
            var hash = default(HashCode);
            foreach (int word in words)
                hash.Add(word);
            return hash.ToHashCode();
        }
    }
}
