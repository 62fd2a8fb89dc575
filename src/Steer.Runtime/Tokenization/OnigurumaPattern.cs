using System.Globalization;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Translates a pattern in Oniguruma's Ruby syntax, which tokenizer.json uses, to one of .NET with the same matches. The dialects differ in
/// nested character classes, possessive quantifiers, \h, anchors, and above all in characters: .NET's are UTF-16 units, so that classes
/// beyond the basic plane are written out as pairs here. What is not translated is refused by name (<see cref="FormatException"/>).
/// </summary>
internal sealed class OnigurumaPattern
{
    private const int MaxDepth = 100;
    private const int MaxRepeat = 10_000;

    private readonly string _pattern;
    private readonly bool _basicPlaneOnly;
    private int _at;
    private int _depth;
    private bool _ignoreCase;
    private bool _dotAll;

    private OnigurumaPattern(string pattern, bool basicPlaneOnly)
    {
        _pattern = pattern;
        _basicPlaneOnly = basicPlaneOnly;
    }

    /// <summary>Translates a pattern; with <paramref name="basicPlaneOnly"/> to a faster one for texts without surrogates.</summary>
    public static string Translate(string pattern, bool basicPlaneOnly)
    {
        var parser = new OnigurumaPattern(pattern, basicPlaneOnly);
        var translated = parser.Alternatives();
        return parser.AtEnd ? translated : throw new FormatException("a ')' without its '('");
    }

    private bool AtEnd => _at == _pattern.Length;

    private string Alternatives()
    {
        if (++_depth > MaxDepth)
            throw new FormatException($"groups nested more than {MaxDepth} deep");
        var (ignoreCase, dotAll) = (_ignoreCase, _dotAll);
        var translated = new StringBuilder();
        TakeFlags();
        while (!AtEnd && _pattern[_at] != ')')
        {
            if (Take("|"))
                translated.Append('|');
            else
                translated.Append(Quantified());
        }

        (_ignoreCase, _dotAll) = (ignoreCase, dotAll);
        _depth--;
        return translated.ToString();
    }

    /// <summary>Takes `(?i)` at the start of a group, where it means the same in both dialects.</summary>
    private void TakeFlags()
    {
        var before = (_at, _ignoreCase, _dotAll);
        if (!(Take("(?") && ReadFlags() && Take(")")))
            (_at, _ignoreCase, _dotAll) = before;
    }

    private bool ReadFlags()
    {
        var on = true;
        for (var read = 0; !AtEnd; read++, _at++)
        {
            switch (_pattern[_at])
            {
                case '-':
                    on = false;
                    break;
                case 'i':
                    _ignoreCase = on;
                    break;
                case 'm':
                    _dotAll = on;
                    break;
                default:
                    return read > 0;
            }
        }

        return false;
    }

    private string Quantified()
    {
        var atom = Atom();
        while (!AtEnd)
        {
            string quantifier;
            bool interval = false;
            if (_pattern[_at] is '*' or '+' or '?')
                quantifier = _pattern[_at++].ToString();
            else if (Interval() is { } range)
                (quantifier, interval) = (range, true);
            else
                break;

            if (interval && !quantifier.Contains(',') && !AtEnd && _pattern[_at] == '?')
                throw new FormatException("'{n}?'");
            if (Take("?"))
                atom = $"(?:{atom}{quantifier}?)";
            else if (!interval && Take("+"))
                atom = $"(?>{atom}{quantifier})";
            else
                atom = $"(?:{atom}{quantifier})";
        }

        return atom;
    }

    /// <summary>Reads {n}, {n,}, {,m} or {n,m}; anything else that begins with a brace is text.</summary>
    private string? Interval()
    {
        if (_pattern[_at] != '{')
            return null;
        var end = _pattern.IndexOf('}', _at);
        if (end < 0)
            return null;
        var bounds = _pattern[(_at + 1)..end].Split(',');
        if (bounds.Length > 2 || bounds.All(bound => bound.Length == 0) || !bounds.All(bound => bound.All(char.IsAsciiDigit)))
            return null;
        if (bounds.Any(bound => bound.Length > 5 || (bound.Length > 0 && int.Parse(bound, CultureInfo.InvariantCulture) > MaxRepeat)))
            throw new FormatException($"a repeat count above {MaxRepeat}");
        _at = end + 1;
        var low = bounds[0].Length == 0 ? "0" : bounds[0];
        return bounds.Length == 1 ? $"{{{low}}}" : $"{{{low},{bounds[1]}}}";
    }

    private string Atom()
    {
        var c = NextRune();
        switch (c)
        {
            case '(':
                return Group();
            case '[':
                return Emit(ReadClass());
            case '.':
                return Emit(_dotAll ? CodePointSet.Of(0, 0x10FFFF) : CodePointSet.Of('\n', '\n').Complement());
            case '^':
                return @"(?:\A|(?<=\n)(?!\z))";
            case '$':
                return @"(?=\n|\z)";
            case '*' or '+' or '?':
                throw new FormatException($"a '{(char)c}' with nothing to repeat");
            case '\\':
                return Escape();
            default:
                return Literal(c);
        }
    }

    private string Group()
    {
        string[] openings = ["?:", "?=", "?!", "?>", "?<=", "?<!"];
        var opening = openings.FirstOrDefault(Take);
        var (ignoreCase, dotAll) = (_ignoreCase, _dotAll);
        if (opening is null && !AtEnd && _pattern[_at] == '?')
        {
            _at++;
            if (!ReadFlags() || !Take(":"))
                throw new FormatException("a group that begins with '(?' and is neither (?: (?= (?! (?> (?<= (?<! nor (?i: or (?m:");
        }

        // A plain group captures, which nothing here reads.
        var translated = $"({opening ?? "?:"}{Alternatives()})";
        (_ignoreCase, _dotAll) = (ignoreCase, dotAll);
        return Take(")") ? translated : throw new FormatException("a '(' without its ')'");
    }

    private string Escape()
    {
        if (AtEnd)
            throw new FormatException("a '\\' at the end");
        switch (_pattern[_at])
        {
            case 'A' or 'z':
                return "\\" + _pattern[_at++];
            case 'Z':
                _at++;
                return @"(?=\n?\z)";
            case 'b' or 'B':
                var word = Emit(UnicodeProperties.Word);
                return _pattern[_at++] == 'b' ? $"(?:(?<={word})(?!{word})|(?<!{word})(?={word}))" : $"(?:(?<={word})(?={word})|(?<!{word})(?!{word}))";
        }

        return EscapedSet() is { } set ? Emit(set) : Literal(EscapedChar());
    }

    /// <summary>Reads what follows a backslash if it names a set of characters.</summary>
    private CodePointSet? EscapedSet()
    {
        var c = _pattern[_at];
        var set = char.ToLowerInvariant(c) switch
        {
            's' => UnicodeProperties.WhiteSpace,
            'd' => UnicodeProperties.Digit,
            'w' => UnicodeProperties.Word,
            'h' => CodePointSet.Union([CodePointSet.Of('0', '9'), CodePointSet.Of('a', 'f'), CodePointSet.Of('A', 'F')]),
            _ => null,
        };
        if (set is not null)
        {
            _at++;
            return char.IsAsciiLetterUpper(c) ? set.Complement() : set;
        }

        if (c is not ('p' or 'P'))
            return null;
        var end = _pattern.IndexOf('}', _at);
        if (end < 0 || _at + 1 >= _pattern.Length || _pattern[_at + 1] != '{')
            throw new FormatException($"'\\{c}' without a property in braces");
        var name = _pattern[(_at + 2)..end];
        var negated = name.StartsWith('^');
        var property = UnicodeProperties.Property(negated ? name[1..] : name) ?? throw new FormatException($"property '\\{c}{{{name}}}'");
        _at = end + 1;
        return negated != (c == 'P') ? property.Complement() : property;
    }

    /// <summary>Reads what follows a backslash as one character.</summary>
    private int EscapedChar()
    {
        var c = NextRune();
        return c switch
        {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\f',
            'v' => '\v',
            'a' => '\a',
            'e' => 0x1B,
            'x' when Take("{") => Hex(1, 8, "}"),
            'x' => Hex(1, 2, ""),
            'u' => Hex(4, 4, ""),
            < 0x80 when char.IsAsciiLetterOrDigit((char)c) => throw new FormatException($"'\\{(char)c}'"),
            _ => c,
        };
    }

    private int Hex(int fewest, int most, string end)
    {
        var start = _at;
        while (_at < _pattern.Length && _at - start < most && char.IsAsciiHexDigit(_pattern[_at]))
            _at++;
        var digits = _pattern.AsSpan(start, _at - start);
        if (digits.Length < fewest || !Take(end) || !int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value)
            || value is < 0 or > 0x10FFFF)
            throw new FormatException("a hexadecimal character that is none");
        return value;
    }

    /// <summary>Reads a character class after its '['.</summary>
    private CodePointSet ReadClass()
    {
        if (++_depth > MaxDepth)
            throw new FormatException($"classes nested more than {MaxDepth} deep");
        var negated = Take("^");
        var members = new List<CodePointSet>();
        CodePointSet? intersection = null;
        for (var first = true; AtEnd || _pattern[_at] != ']' || first; first = false)
        {
            if (AtEnd)
                throw new FormatException("a '[' without its ']'");
            if (Take("&&"))
            {
                intersection = Intersect(intersection, members);
                members = [];
            }
            else
            {
                members.Add(ReadMember());
            }
        }

        _at++;
        _depth--;
        var set = Intersect(intersection, members);
        return negated ? set.Complement() : set;

        static CodePointSet Intersect(CodePointSet? left, List<CodePointSet> members)
        {
            var right = CodePointSet.Union(members);
            return left?.Intersect(right) ?? right;
        }
    }

    private CodePointSet ReadMember()
    {
        if (Take("[:"))
            throw new FormatException("a '[:name:]' class");
        if (Take("["))
            return ReadClass();
        if (_pattern[_at] == '\\' && _at + 1 < _pattern.Length)
        {
            _at++;
            if (EscapedSet() is { } set)
                return set;
            _at--;
        }

        var first = ClassChar();
        var last = first;
        if (_at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] is not (']' or '['))
        {
            var dash = _at++;
            if (_pattern[_at] == '\\' && _at + 1 < _pattern.Length && char.ToLowerInvariant(_pattern[_at + 1]) is 's' or 'd' or 'w' or 'h' or 'p')
                _at = dash;
            else
                last = ClassChar();
        }

        if (last < first)
            throw new FormatException("a range from a higher character to a lower one");
        var range = CodePointSet.Of(first, last);
        return _ignoreCase ? range.IgnoringCase() : range;
    }

    private int ClassChar()
    {
        if (!Take("\\"))
            return NextRune();
        if (AtEnd)
            throw new FormatException("a '\\' at the end");
        return Take("b") ? '\b' : EscapedChar();
    }

    private string Literal(int c)
    {
        var set = CodePointSet.Of(c, c);
        return Emit(_ignoreCase ? set.IgnoringCase() : set);
    }

    private string Emit(CodePointSet set) => set.ToPattern(_basicPlaneOnly);

    private int NextRune()
    {
        Rune.DecodeFromUtf16(_pattern.AsSpan(_at), out var rune, out var width);
        _at += width;
        return rune.Value;
    }

    private bool Take(string expected)
    {
        if (string.CompareOrdinal(_pattern, _at, expected, 0, expected.Length) != 0)
            return false;
        _at += expected.Length;
        return true;
    }
}
