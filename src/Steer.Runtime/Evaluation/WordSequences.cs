using System.Text;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Turns texts into sequences of word ids, the tokens of all text metrics: lower case, then runs of letters, digits, marks and underscores, and every
/// other sign that is no space alone (the regular expression \w+|[^\w\s]). Words, not a model's tokens, so that sets of different models can be
/// compared.
/// </summary>
public sealed class WordSequences
{
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly List<string> _words = [];

    /// <summary>Makes an empty table of words.</summary>
    public WordSequences() => _lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Distinct words seen so far; ids go from 0 to one less.</summary>
    public int Count => _words.Count;

    /// <summary>The word of an id.</summary>
    public string Word(int id) => _words[id];

    /// <summary>Word ids of a text, in order; the same word has the same id in all texts of this table.</summary>
    public int[] Add(string text)
    {
        string lower = text.ToLowerInvariant();
        var ids = new List<int>(lower.Length / 4);
        int start = -1, position = 0;
        foreach (Rune rune in lower.EnumerateRunes())
        {
            if (IsPart(rune))
            {
                if (start < 0)
                    start = position;
            }
            else
            {
                if (start >= 0)
                    ids.Add(Id(lower.AsSpan(start, position - start)));
                start = -1;
                if (!Rune.IsWhiteSpace(rune))
                    ids.Add(Id(lower.AsSpan(position, rune.Utf16SequenceLength)));
            }

            position += rune.Utf16SequenceLength;
        }

        if (start >= 0)
            ids.Add(Id(lower.AsSpan(start)));
        return [.. ids];
    }

    /// <summary>Word ids of each text.</summary>
    public int[][] Add(IEnumerable<string> texts) => [.. texts.Select(Add)];

    private static bool IsPart(Rune rune) => Rune.GetUnicodeCategory(rune) is var category
        && (Rune.IsLetterOrDigit(rune) || category is System.Globalization.UnicodeCategory.NonSpacingMark
            or System.Globalization.UnicodeCategory.SpacingCombiningMark or System.Globalization.UnicodeCategory.LetterNumber
            or System.Globalization.UnicodeCategory.OtherNumber or System.Globalization.UnicodeCategory.ConnectorPunctuation);

    private int Id(ReadOnlySpan<char> word)
    {
        if (_lookup.TryGetValue(word, out int id))
            return id;
        string text = word.ToString();
        _ids.Add(text, _words.Count);
        _words.Add(text);
        return _words.Count - 1;
    }
}
