namespace Steer.Runtime.Tokenization;

/// <summary>Reads what stands for characters in a pattern: escapes and classes.</summary>
internal sealed class PatternCharacters(PatternCursor cursor, RegexDialect dialect)
{
    private const int MaxDepth = 100;

    private static readonly CodePointSet AsciiWord = CodePointSet.Union(
        [CodePointSet.Of('0', '9'), CodePointSet.Of('A', 'Z'), CodePointSet.Of('_', '_'), CodePointSet.Of('a', 'z')]);

    private static readonly CodePointSet AsciiSpace = CodePointSet.Union([CodePointSet.Of('\t', '\r'), CodePointSet.Of(' ', ' ')]);

    private readonly bool _isOniguruma = dialect == RegexDialect.Oniguruma;
    private int _depth;

    /// <summary>Reads what follows a backslash if it names a set of characters.</summary>
    public CodePointSet? EscapedSet()
    {
        var c = cursor.Current;
        var set = char.ToLowerInvariant(c) switch
        {
            's' when c == 's' && dialect == RegexDialect.EcmaScript => AsciiSpace,
            'd' when c == 'd' && dialect == RegexDialect.EcmaScript => CodePointSet.Of('0', '9'),
            'w' when c == 'w' && dialect == RegexDialect.EcmaScript => AsciiWord,
            's' => UnicodeProperties.WhiteSpace,
            'd' => UnicodeProperties.Digit,
            'w' => UnicodeProperties.Word,
            'h' when _isOniguruma => CodePointSet.Union([CodePointSet.Of('0', '9'), CodePointSet.Of('a', 'f'), CodePointSet.Of('A', 'F')]),
            _ => null,
        };
        if (set is not null)
        {
            cursor.At++;
            return char.IsAsciiLetterUpper(c) ? set.Complement() : set;
        }

        if (c is not ('p' or 'P'))
            return null;
        if (cursor.Following != '{' || cursor.UpTo('}') is not { } written)
            throw new FormatException($"'\\{c}' without a property in braces");
        var name = written[2..];
        var negated = name.StartsWith('^');
        var property = UnicodeProperties.Property(negated ? name[1..] : name) ?? throw new FormatException($"property '\\{c}{{{name}}}'");
        cursor.At += written.Length + 1;
        return negated != (c == 'P') ? property.Complement() : property;
    }

    /// <summary>Reads what follows a backslash as one character.</summary>
    public int EscapedChar()
    {
        var c = cursor.NextRune();
        return c switch
        {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\f',
            'v' => '\v',
            'a' => '\a',
            'e' => 0x1B,
            'x' when cursor.Take("{") => cursor.Hex(1, 8, "}"),
            'x' => cursor.Hex(_isOniguruma ? 1 : 2, 2, ""),
            'u' when !_isOniguruma && cursor.Take("{") => cursor.Hex(1, 6, "}"),
            'u' => Utf16(),
            < 0x80 when char.IsAsciiLetterOrDigit((char)c) => throw new FormatException($"'\\{(char)c}'"),
            _ => c,
        };
    }

    /// <summary>Reads a character class after its '['.</summary>
    public CodePointSet ReadClass(bool ignoreCase)
    {
        if (++_depth > MaxDepth)
            throw new FormatException($"classes nested more than {MaxDepth} deep");
        var negated = cursor.Take("^");
        if (!_isOniguruma && cursor.IsNext("]"))
            throw new FormatException("a class that begins with ']', which dialects read differently: write '\\]'");
        var members = new List<CodePointSet>();
        CodePointSet? intersection = null;
        for (var first = true; cursor.AtEnd || cursor.Current != ']' || first; first = false)
        {
            if (cursor.AtEnd)
                throw new FormatException("a '[' without its ']'");
            if (!_isOniguruma && (cursor.IsNext("&&") || cursor.IsNext("-[") || cursor.IsNext("--") || cursor.IsNext("~~")))
                throw new FormatException($"'{cursor.Current}{cursor.Following}' in a class, which dialects read differently: escape it by '\\'");
            if (cursor.Take("&&"))
            {
                intersection = Intersect(intersection, members);
                members = [];
            }
            else
            {
                members.Add(ReadMember(ignoreCase));
            }
        }

        cursor.At++;
        _depth--;
        var set = Intersect(intersection, members);
        return negated ? set.Complement() : set;

        static CodePointSet Intersect(CodePointSet? left, List<CodePointSet> members)
        {
            var right = CodePointSet.Union(members);
            return left?.Intersect(right) ?? right;
        }
    }

    /// <summary>Reads four digits; with those of the other half after them where they are half a surrogate pair.</summary>
    private int Utf16()
    {
        var high = cursor.Hex(4, 4, "");
        var at = cursor.At;
        if (!_isOniguruma && char.IsHighSurrogate((char)high) && cursor.Take("\\u")
            && cursor.Hex(4, 4, "") is var low && char.IsLowSurrogate((char)low))
            return char.ConvertToUtf32((char)high, (char)low);
        cursor.At = at;
        return high;
    }

    private CodePointSet ReadMember(bool ignoreCase)
    {
        if (cursor.Take("[:"))
            throw new FormatException("a '[:name:]' class");
        if (_isOniguruma && cursor.Take("["))
            return ReadClass(ignoreCase);
        if (cursor.Current == '\\' && cursor.Following != '\0')
        {
            cursor.At++;
            if (EscapedSet() is { } set)
                return set;
            cursor.At--;
        }

        var first = ClassChar();
        var last = first;
        if (!cursor.AtEnd && cursor.Current == '-' && cursor.Following is not (']' or '[' or '\0'))
        {
            var dash = cursor.At++;
            if (cursor.Current == '\\' && char.ToLowerInvariant(cursor.Following) is 's' or 'd' or 'w' or 'h' or 'p')
                cursor.At = dash;
            else
                last = ClassChar();
        }

        if (last < first)
            throw new FormatException("a range from a higher character to a lower one");
        var range = CodePointSet.Of(first, last);
        return ignoreCase ? range.IgnoringCase() : range;
    }

    private int ClassChar()
    {
        if (!cursor.Take("\\"))
            return cursor.NextRune();
        if (cursor.AtEnd)
            throw new FormatException("a '\\' at the end");
        return cursor.Take("b") ? '\b' : EscapedChar();
    }
}
