using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Reads the names, numbers, strings and operators within tags.</summary>
internal static partial class TagLexer
{
    /// <summary>Those of two characters first.</summary>
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    [GeneratedRegex(@"\G(?<!\.)(?:[0-9]+_)*[0-9]+(?:(?:\.(?:[0-9]+_)*[0-9]+)?[eE][+-]?(?:[0-9]+_)*[0-9]+|\.(?:[0-9]+_)*[0-9]+)")]
    private static partial Regex Float { get; }

    [GeneratedRegex(@"\G(?:0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|[0-9](?:_?[0-9])*)")]
    private static partial Regex Integer { get; }

    [GeneratedRegex(@"\G[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*")]
    private static partial Regex Name { get; }

    /// <summary>The token that begins at a place which is no blank, and the characters it takes.</summary>
    /// <exception cref="TemplateFault">Nothing that is known begins there.</exception>
    public static (Token Token, int Length) Read(string source, int at, int line)
    {
        char first = source[at];
        if (first is '\'' or '"')
            return ReadString(source, at, line);
        if (char.IsAsciiDigit(first))
        {
            if (Float.Match(source, at) is { Success: true } real)
                return (new Token(TokenKind.Float, real.Value.Replace("_", "", StringComparison.Ordinal), line), real.Length);
            var integer = Integer.Match(source, at);
            return (new Token(TokenKind.Integer, integer.Value.Replace("_", "", StringComparison.Ordinal), line), integer.Length);
        }

        if (Name.Match(source, at) is { Success: true } name)
            return (new Token(TokenKind.Name, name.Value, line), name.Length);
        foreach (string op in Operators)
        {
            if (string.CompareOrdinal(source, at, op, 0, op.Length) == 0)
                return (new Token(TokenKind.Operator, op, line), op.Length);
        }

        throw new TemplateFault($"'{first}' has no place here", line);
    }

    private static (Token Token, int Length) ReadString(string source, int at, int line)
    {
        char quote = source[at];
        int end = at + 1;
        while (end < source.Length && source[end] != quote)
            end += source[end] == '\\' ? 2 : 1;
        if (end >= source.Length)
            throw new TemplateFault("a string is not closed", line);
        return (new Token(TokenKind.String, Unescape(source.AsSpan(at + 1, end - at - 1), line), line), end + 1 - at);
    }

    /// <summary>Python's escapes; an unknown one stays as it is.</summary>
    private static string Unescape(ReadOnlySpan<char> text, int line)
    {
        if (!text.Contains('\\'))
            return text.ToString();
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }

            char escape = text[++i];
            int digits = escape switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
            if (digits > 0)
            {
                var hex = text.Slice(i + 1, Math.Min(digits, text.Length - i - 1));
                if (hex.Length < digits || !uint.TryParse(hex, NumberStyles.AllowHexSpecifier, null, out uint code) || code > 0x10FFFF)
                    throw new TemplateFault($"'\\{escape}' in a string needs {digits} hexadecimal digits of a character", line);
                result.Append(code > 0xFFFF ? char.ConvertFromUtf32((int)code) : ((char)code).ToString());
                i += digits;
            }
            else if (escape is >= '0' and <= '7')
            {
                int start = i, value = 0;
                for (; i < text.Length && i < start + 3 && text[i] is >= '0' and <= '7'; i++)
                    value = 8 * value + (text[i] - '0');
                result.Append((char)value);
                i--;
            }
            else if (escape != '\n')
            {
                int known = "nrtabfv\\'\"".IndexOf(escape, StringComparison.Ordinal);
                result.Append(known < 0 ? $"\\{escape}" : "\n\r\t\a\b\f\v\\'\""[known].ToString());
            }
        }

        return result.ToString();
    }
}
