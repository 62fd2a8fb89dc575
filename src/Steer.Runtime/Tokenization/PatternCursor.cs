using System.Globalization;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>A place in a pattern that is read from its start to its end.</summary>
internal sealed class PatternCursor(string pattern)
{
    /// <summary>The place.</summary>
    public int At { get; set; }

    /// <summary>Whether all is read.</summary>
    public bool AtEnd => At == pattern.Length;

    /// <summary>The next character.</summary>
    public char Current => pattern[At];

    /// <summary>The character after the next one; U+0000 at the end.</summary>
    public char Following => At + 1 < pattern.Length ? pattern[At + 1] : '\0';

    /// <summary>The text up to a character from the place on, or null where there is no such character.</summary>
    public string? UpTo(char end) => pattern.IndexOf(end, At) is >= 0 and var at ? pattern[At..at] : null;

    /// <summary>Whether a text is next.</summary>
    public bool IsNext(string expected) => string.CompareOrdinal(pattern, At, expected, 0, expected.Length) == 0;

    /// <summary>Goes behind a text if it is next.</summary>
    public bool Take(string expected)
    {
        if (!IsNext(expected))
            return false;
        At += expected.Length;
        return true;
    }

    /// <summary>Reads a code point; half a surrogate pair is U+FFFD.</summary>
    public int NextRune()
    {
        Rune.DecodeFromUtf16(pattern.AsSpan(At), out var rune, out var width);
        At += width;
        return rune.Value;
    }

    /// <summary>Reads a code point in hexadecimal digits, and the text behind them.</summary>
    /// <exception cref="FormatException">There is none.</exception>
    public int Hex(int fewest, int most, string end)
    {
        var start = At;
        while (At < pattern.Length && At - start < most && char.IsAsciiHexDigit(pattern[At]))
            At++;
        var digits = pattern.AsSpan(start, At - start);
        if (digits.Length < fewest || !Take(end) || !int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            || value is < 0 or > 0x10FFFF)
            throw new FormatException("a hexadecimal character that is none");
        return value;
    }
}
