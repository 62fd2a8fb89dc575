using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Grammars;

/// <summary>Sets of characters as sets of their UTF-8 encodings.</summary>
internal static class Utf8Ranges
{
    private static readonly int[] LastOfLength = [0x7F, 0x7FF, 0xFFFF, 0x10FFFF];

    /// <summary>The expression of one character of a set; halves of surrogate pairs have no encoding.</summary>
    public static int Of(ByteTerms terms, CodePointSet set)
    {
        var sequences = new List<(byte First, byte Last)[]>();
        foreach (var (first, last) in set.Ranges)
        {
            if (first < 0xD800)
                Split(first, Math.Min(last, 0xD7FF), sequences);
            if (last > 0xDFFF)
                Split(Math.Max(first, 0xE000), last, sequences);
        }

        return Join(terms, sequences, 0, sequences.Count, 0);
    }

    /// <summary>Cuts a range of characters where each byte has a range of its own whatever the others are.</summary>
    private static void Split(int first, int last, List<(byte First, byte Last)[]> sequences)
    {
        foreach (var end in LastOfLength)
        {
            if (first > end || last <= end)
                continue;
            Split(first, end, sequences);
            Split(end + 1, last, sequences);
            return;
        }

        for (var shift = 6; shift <= 18 && first >= 0x80; shift += 6)
        {
            var low = (1 << shift) - 1; // all that the last bytes encode
            if (first >> shift == last >> shift)
                break;
            var cut = (first & low) != 0 ? first | low : (last & low) != low ? (last & ~low) - 1 : -1;
            if (cut < 0)
                continue;
            Split(first, cut, sequences);
            Split(cut + 1, last, sequences);
            return;
        }

        Span<byte> from = stackalloc byte[4];
        Span<byte> to = stackalloc byte[4];
        var length = new System.Text.Rune(first).EncodeToUtf8(from);
        new System.Text.Rune(last).EncodeToUtf8(to);
        var sequence = new (byte First, byte Last)[length];
        for (var i = 0; i < length; i++)
            sequence[i] = (from[i], to[i]);
        sequences.Add(sequence);
    }

    /// <summary>Joins sequences, which are in order: those with the same byte in one place go on together, those that go on alike share it.</summary>
    private static int Join(ByteTerms terms, List<(byte First, byte Last)[]> sequences, int start, int end, int at)
    {
        var byRest = new Dictionary<int, ByteSet>();
        while (start < end)
        {
            var bytes = sequences[start][at];
            var next = start + 1;
            while (next < end && sequences[next][at] == bytes)
                next++;
            var rest = sequences[start].Length == at + 1 ? ByteTerms.Empty : Join(terms, sequences, start, next, at + 1);
            byRest[rest] = byRest.GetValueOrDefault(rest) | ByteSet.Of(bytes.First, bytes.Last);
            start = next;
        }

        return terms.Or([.. byRest.Select(pair => terms.Concat(terms.Bytes(pair.Value), pair.Key))]);
    }
}
