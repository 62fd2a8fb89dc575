using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>How SentencePiece prepares a text (normalizer_spec of its model): replacements, white space, the mark that stands for a space.</summary>
/// <param name="Map">Replacements, or null for none.</param>
/// <param name="AddDummyPrefix">A space before the text (after it with <paramref name="SpaceIsSuffix"/>), so that its first word is as any
/// other.</param>
/// <param name="RemoveExtraSpaces">No spaces at the ends, one between words.</param>
/// <param name="EscapeSpaces">Writes '▁' for a space.</param>
/// <param name="SpaceIsSuffix">Words end, rather than begin, with the mark.</param>
internal sealed record SentencePieceText(PrecompiledCharsMap? Map, bool AddDummyPrefix, bool RemoveExtraSpaces, bool EscapeSpaces, bool SpaceIsSuffix)
{
    /// <summary>SentencePiece's mark for a space.</summary>
    public const char Mark = '▁';

    /// <summary>The prepared text.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="keep">Finds user-defined tokens, which are not replaced.</param>
    public string Normalize(string text, AddedTokenFinder keep)
    {
        if (Map is not null)
            text = Replace(text, keep);
        if (RemoveExtraSpaces)
            text = string.Join(' ', text.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        if (text.Length == 0)
            return "";

        var mark = EscapeSpaces ? Mark : ' ';
        text = text.Replace(' ', mark);
        if (AddDummyPrefix && !SpaceIsSuffix)
            text = mark + text;
        if (RemoveExtraSpaces)
            text = text.TrimEnd(mark);
        return AddDummyPrefix && SpaceIsSuffix ? text + mark : text;
    }

    /// <summary>The mark, if a text may be cut before it where it follows another character: it is a token, and no token has it there.</summary>
    public static char? WordStart(IEnumerable<string> tokens, char mark)
    {
        var isToken = false;
        foreach (var token in tokens)
        {
            isToken |= token.Length == 1 && token[0] == mark;
            if (token.AsSpan().TrimStart(mark).Contains(mark))
                return null;
        }

        return isToken ? mark : null;
    }

    private string Replace(string text, AddedTokenFinder keep)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        var replaced = new StringBuilder(text.Length);
        var (from, taken) = (0, 0);
        var (kept, keptEnd) = keep.TryFind(text, ref from, taken, out var start, out var end, out _) ? (start, end) : (-1, -1);
        for (int at = 0, byteAt = 0; at < text.Length;)
        {
            if (at == kept)
            {
                replaced.Append(text.AsSpan(kept..keptEnd));
                byteAt += Encoding.UTF8.GetByteCount(text.AsSpan(kept..keptEnd));
                at = keptEnd;
                (kept, keptEnd) = keep.TryFind(text, ref from, at, out start, out end, out _) ? (start, end) : (-1, -1);
                continue;
            }

            if (Map!.Longest(utf8.AsSpan(byteAt), out var length) is { } replacement)
            {
                replaced.Append(replacement);
                at += Encoding.UTF8.GetCharCount(utf8, byteAt, length);
                byteAt += length;
                continue;
            }

            Rune.DecodeFromUtf16(text.AsSpan(at), out var rune, out var width);
            replaced.Append(rune);
            at += width;
            byteAt += rune.Utf8SequenceLength;
        }

        return replaced.ToString();
    }
}
