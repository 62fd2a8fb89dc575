using System.Text;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Text as Python sees it: indexed by code points, with Python's idea of a blank.</summary>
internal static class PythonText
{
    public static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';

    public static bool IsSpace(ReadOnlySpan<char> text)
    {
        foreach (char c in text)
        {
            if (!IsSpace(c))
                return false;
        }

        return true;
    }

    /// <summary>Without the characters at its ends that are in <paramref name="chars"/>; null for blanks.</summary>
    public static string Strip(string text, string? chars, bool start, bool end)
    {
        var set = chars?.EnumerateRunes().ToHashSet();
        bool Goes(Rune rune) => set?.Contains(rune) ?? (rune.IsBmp && IsSpace((char)rune.Value));
        var rest = text.AsSpan();
        while (start && rest.Length > 0 && Rune.DecodeFromUtf16(rest, out var rune, out int length) == 0 && Goes(rune))
            rest = rest[length..];
        while (end && rest.Length > 0 && Rune.DecodeLastFromUtf16(rest, out var rune, out int length) == 0 && Goes(rune))
            rest = rest[..^length];
        return rest.Length == text.Length ? text : rest.ToString();
    }

    public static ReadOnlySpan<char> TrimEnd(ReadOnlySpan<char> text)
    {
        int length = text.Length;
        while (length > 0 && IsSpace(text[length - 1]))
            length--;
        return text[..length];
    }

    /// <summary>Code points; a lone surrogate counts as one.</summary>
    public static int Length(string text)
    {
        int pairs = 0;
        for (int i = 1; i < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i - 1], text[i]))
                pairs++;
        }

        return text.Length - pairs;
    }

    /// <summary>Each code point as a text of its own.</summary>
    public static string[] Characters(string text)
    {
        var characters = new string[Length(text)];
        for (int i = 0, at = 0; i < characters.Length; i++)
        {
            int length = char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]) ? 2 : 1;
            characters[i] = text.Substring(at, length);
            at += length;
        }

        return characters;
    }

    /// <summary>The code points from one on up to another; both within the text.</summary>
    public static string Slice(string text, int start, int end)
    {
        int first = Place(text, 0, start);
        return text[first..Place(text, first, end - start)];
    }

    /// <summary>str.split() without a separator: at runs of blanks, with none at the ends; what is left after the last cut keeps its own.</summary>
    /// <param name="text">The text.</param>
    /// <param name="most">Most cuts; negative for all.</param>
    public static List<string> SplitAtSpace(string text, long most)
    {
        var parts = new List<string>();
        for (int at = 0; ;)
        {
            while (at < text.Length && IsSpace(text[at]))
                at++;
            if (at == text.Length)
                return parts;
            if (most >= 0 && parts.Count == most)
            {
                parts.Add(text[at..]);
                return parts;
            }

            int start = at;
            while (at < text.Length && !IsSpace(text[at]))
                at++;
            parts.Add(text[start..at]);
        }
    }

    /// <summary>str.title(): letters after one that is none become capitals, the others small.</summary>
    public static string Title(string text)
    {
        var result = new StringBuilder(text.Length);
        bool inWord = false;
        foreach (char c in text)
        {
            result.Append(inWord ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c));
            inWord = char.IsLetter(c);
        }

        return result.ToString();
    }

    /// <summary>str.capitalize().</summary>
    public static string Capitalize(string text) =>
        text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..].ToLowerInvariant();

    /// <summary>Where in the text so many code points behind a place are.</summary>
    private static int Place(string text, int from, int codePoints)
    {
        for (; codePoints > 0; codePoints--)
            from += from + 1 < text.Length && char.IsSurrogatePair(text[from], text[from + 1]) ? 2 : 1;
        return from;
    }
}
