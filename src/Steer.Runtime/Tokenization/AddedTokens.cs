using System.Buffers;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>A token that is found in the text before the model sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">Its text.</param>
/// <param name="SingleWord">Only where no word character touches it.</param>
/// <param name="LeftStrip">Takes the white space before it.</param>
/// <param name="RightStrip">Takes the white space after it.</param>
/// <param name="Normalized">Looked for in normalised text, and its content is normalised too.</param>
/// <param name="Special">Marks structure rather than text.</param>
internal sealed record AddedToken(int Id, string Content, bool SingleWord, bool LeftStrip, bool RightStrip, bool Normalized, bool Special)
{
    /// <summary>A description of all added tokens, in the order of their ids.</summary>
    public static string Describe(IEnumerable<AddedToken> tokens)
    {
        var hash = new DescriptionHash();
        foreach (var (id, content, singleWord, leftStrip, rightStrip, normalized, special) in tokens.OrderBy(token => token.Id))
        {
            hash.Add(content);
            hash.Add(id);
            foreach (var flag in (ReadOnlySpan<bool>)[singleWord, leftStrip, rightStrip, normalized, special])
                hash.Add(flag ? 1 : 0);
        }

        return hash.ToString();
    }
}

/// <summary>Finds added tokens in a text: the leftmost first, of those that begin at one place the longest.</summary>
internal sealed class AddedTokenFinder
{
    private readonly SearchValues<string> _contents;
    private readonly Dictionary<string, AddedToken> _byContent = new(StringComparer.Ordinal);
    private readonly int[] _lengths;

    /// <summary>Makes a finder of tokens whose content is not empty.</summary>
    public AddedTokenFinder(IEnumerable<(string Content, AddedToken Token)> tokens)
    {
        foreach (var (content, token) in tokens)
            _byContent.TryAdd(content, token);
        _contents = SearchValues.Create([.. _byContent.Keys], StringComparison.Ordinal);
        _lengths = [.. _byContent.Keys.Select(content => content.Length).Distinct().OrderDescending()];
    }

    /// <summary>Finds the next token.</summary>
    /// <param name="text">The whole text.</param>
    /// <param name="from">Where to look from; moved behind the content that was found.</param>
    /// <param name="taken">Text before it belongs to an earlier token already.</param>
    /// <param name="start">Where the token begins, with the white space that it takes.</param>
    /// <param name="end">Where it ends, with the white space that it takes.</param>
    /// <param name="id">Its id.</param>
    public bool TryFind(ReadOnlySpan<char> text, ref int from, int taken, out int start, out int end, out int id)
    {
        while (_byContent.Count > 0 && text[from..].IndexOfAny(_contents) is >= 0 and var offset)
        {
            start = from + offset;
            var token = Longest(text[start..], out var length);
            end = start + length;
            from = end;
            id = token.Id;
            if (token.SingleWord && (EndsInWord(text[..start]) || BeginsInWord(text[end..])))
                continue;
            if (token.LeftStrip)
                start = Math.Max(taken, text[..start].TrimEnd().Length);
            if (token.RightStrip)
                end = text.Length - text[end..].TrimStart().Length;
            return true;
        }

        (start, end, id) = (0, 0, 0);
        return false;
    }

    private AddedToken Longest(ReadOnlySpan<char> text, out int length)
    {
        var byContent = _byContent.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach (var candidate in _lengths)
        {
            if (candidate <= text.Length && byContent.TryGetValue(text[..candidate], out var token))
            {
                length = candidate;
                return token;
            }
        }

        throw new InvalidOperationException("The search found a token that is not in the table.");
    }

    private static bool EndsInWord(ReadOnlySpan<char> text) =>
        Rune.DecodeLastFromUtf16(text, out var rune, out _) == OperationStatus.Done && UnicodeProperties.IsWord(rune.Value);

    private static bool BeginsInWord(ReadOnlySpan<char> text) =>
        Rune.DecodeFromUtf16(text, out var rune, out _) == OperationStatus.Done && UnicodeProperties.IsWord(rune.Value);
}
