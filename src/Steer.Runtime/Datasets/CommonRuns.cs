namespace Steer.Runtime.Datasets;

/// <summary>Longest run of words that a text has in common with any of a set of texts: tells copies that changed only at the ends.</summary>
internal sealed class CommonRuns
{
    /// <summary>Stands between texts, so that no run crosses from one to the next. No word's hash but by a chance of 2^-64.</summary>
    private const ulong Border = 0;

    private readonly ulong[] _words;
    private readonly HashSet<ulong> _known;

    // Places of each pair of words, chained: the last in _last, the one before a place in _before.
    private readonly Dictionary<(ulong, ulong), int> _last = [];
    private readonly int[] _before;

    public CommonRuns(IEnumerable<ulong[]> texts)
    {
        _words = [.. texts.SelectMany(t => t.Append(Border))];
        _known = [.. _words];
        _before = new int[_words.Length];
        for (int i = 0; i + 1 < _words.Length; i++)
        {
            var pair = (_words[i], _words[i + 1]);
            _before[i] = _last.GetValueOrDefault(pair, -1);
            _last[pair] = i;
        }
    }

    /// <summary>Words of the longest run.</summary>
    public int Longest(ReadOnlySpan<ulong> text)
    {
        int best = 0;
        foreach (ulong word in text)
            best = Math.Max(best, _known.Contains(word) ? 1 : 0);
        for (int i = 0; i + best < text.Length && i + 1 < text.Length; i++)
        {
            for (int place = _last.GetValueOrDefault((text[i], text[i + 1]), -1); place >= 0; place = _before[place])
            {
                // A place that differs where the best run would grow by one word cannot be better.
                if (i + best >= text.Length || place + best >= _words.Length || _words[place + best] != text[i + best])
                    continue;
                best = Math.Max(best, text[i..].CommonPrefixLength(_words.AsSpan(place)));
            }
        }

        return best;
    }
}
