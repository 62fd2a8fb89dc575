namespace Steer.Runtime.Grammars;

/// <summary>Lists of texts as expressions that share their beginnings.</summary>
internal static class ChoiceCompiler
{
    /// <summary>Most bytes of all texts together.</summary>
    private const int MaxBytes = 1 << 18;

    /// <summary>The expression of any of the texts.</summary>
    /// <exception cref="FormatException">There are none, or they are too large.</exception>
    public static int AnyOf(ByteTerms terms, IEnumerable<byte[]> texts)
    {
        var sorted = texts.ToArray();
        if (sorted.Length == 0)
            throw new FormatException("is empty. Name one text at least.");
        if (sorted.Sum(text => (long)text.Length) is > MaxBytes and var size)
            throw new FormatException($"has {size} bytes of text; at most {MaxBytes} are supported");
        Array.Sort(sorted, (a, b) => a.AsSpan().SequenceCompareTo(b));

        // What may follow each byte of the last text, from the first one on: complete when a text does not share the byte.
        var path = new List<(byte Byte, List<int> Tails)> { (0, []) };
        byte[] last = [];
        foreach (var text in sorted)
        {
            Close(text.AsSpan().CommonPrefixLength(last));
            foreach (var value in text.AsSpan(path.Count - 1))
                path.Add((value, []));
            path[^1].Tails.Add(ByteTerms.Empty);
            last = text;
        }

        Close(0);
        return terms.Or(path[0].Tails.ToArray());

        void Close(int length)
        {
            while (path.Count - 1 > length)
            {
                var (value, tails) = path[^1];
                path.RemoveAt(path.Count - 1);
                path[^1].Tails.Add(terms.Concat(terms.Bytes(ByteSet.Of(value, value)), terms.Or(tails.ToArray())));
            }
        }
    }
}
