using System.Globalization;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Reads a regular expression in Oniguruma's Ruby syntax, which tokenizer.json uses. It differs from .NET's in nested character classes, possessive
/// quantifiers, \h, anchors, and in characters, which are code points. What is not read is refused by name (<see cref="FormatException"/>).
/// Expressions of users are read with what their dialects share.
/// </summary>
internal sealed class OnigurumaParser
{
    private const int MaxDepth = 100;
    private const int MaxRepeat = 10_000;

    private static readonly CodePointSet AsciiWord = CodePointSet.Union(
        [CodePointSet.Of('0', '9'), CodePointSet.Of('A', 'Z'), CodePointSet.Of('_', '_'), CodePointSet.Of('a', 'z')]);

    private static readonly CodePointSet AsciiSpace = CodePointSet.Union([CodePointSet.Of('\t', '\r'), CodePointSet.Of(' ', ' ')]);

    private readonly string _pattern;
    private readonly RegexDialect _dialect;
    private int _at;
    private int _depth;
    private bool _ignoreCase;
    private bool _dotAll;

    private OnigurumaParser(string pattern, RegexDialect dialect) => (_pattern, _dialect) = (pattern, dialect);

    /// <summary>Reads a whole expression.</summary>
    public static RegexNode Parse(string pattern, RegexDialect dialect = RegexDialect.Oniguruma)
    {
        var parser = new OnigurumaParser(pattern, dialect);
        var node = parser.Alternatives();
        return parser.AtEnd ? node : throw new FormatException("a ')' without its '('");
    }

    private bool AtEnd => _at == _pattern.Length;

    private bool IsOniguruma => _dialect == RegexDialect.Oniguruma;

    private RegexNode Alternatives()
    {
        if (++_depth > MaxDepth)
            throw new FormatException($"groups nested more than {MaxDepth} deep");
        var (ignoreCase, dotAll) = (_ignoreCase, _dotAll);
        TakeFlags();
        var alternatives = new List<RegexNode>();
        var sequence = new List<RegexNode>();
        while (!AtEnd && _pattern[_at] != ')')
        {
            if (!Take("|"))
            {
                sequence.Add(Quantified());
                continue;
            }

            alternatives.Add(new SequenceNode(sequence));
            sequence = [];
        }

        alternatives.Add(new SequenceNode(sequence));
        (_ignoreCase, _dotAll) = (ignoreCase, dotAll);
        _depth--;
        return alternatives.Count == 1 ? alternatives[0] : new AlternativesNode(alternatives);
    }

    /// <summary>Takes `(?i)` at the start of a group; elsewhere it would split the alternatives around it.</summary>
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
                case 'm' when IsOniguruma:
                case 's' when !IsOniguruma:
                    _dotAll = on;
                    break;
                default:
                    return read > 0;
            }
        }

        return false;
    }

    private RegexNode Quantified()
    {
        var node = Atom();
        while (!AtEnd)
        {
            var (min, max) = (0, int.MaxValue);
            var isInterval = false;
            if (Take("+"))
                min = 1;
            else if (Take("?"))
                max = 1;
            else if (!Take("*") && !(isInterval = TakeInterval(out min, out max)))
                break;

            if (!IsOniguruma && node is RepeatNode)
                throw new FormatException("a quantifier behind another, which dialects read differently: put a group around the first");

            // After an interval a plus repeats the repetition, and {n}? would be optional.
            if (IsOniguruma && isInterval && min == max && !AtEnd && _pattern[_at] == '?')
                throw new FormatException("'{n}?'");
            var kind = Take("?") ? RepeatKind.Lazy : !isInterval && Take("+") ? RepeatKind.Possessive : RepeatKind.Greedy;
            node = new RepeatNode(node, min, max, kind);
        }

        return node;
    }

    /// <summary>Takes {n}, {n,}, {,m} or {n,m}; anything else that begins with a brace is text.</summary>
    private bool TakeInterval(out int min, out int max)
    {
        (min, max) = (0, int.MaxValue);
        var end = _pattern[_at] == '{' ? _pattern.IndexOf('}', _at) : -1;
        if (end < 0)
            return false;
        var bounds = _pattern[(_at + 1)..end].Split(',');
        if (bounds.Length > 2 || bounds.All(bound => bound.Length == 0) || !bounds.All(bound => bound.All(char.IsAsciiDigit)))
            return false;
        if (!IsOniguruma && bounds[0].Length == 0)
            throw new FormatException($"'{{,{bounds[1]}}}', which dialects read differently: write '{{0,{bounds[1]}}}'");
        if (bounds.Any(bound => bound.Length > 5 || (bound.Length > 0 && int.Parse(bound, CultureInfo.InvariantCulture) > MaxRepeat)))
            throw new FormatException($"a repeat count above {MaxRepeat}");
        min = bounds[0].Length == 0 ? 0 : int.Parse(bounds[0], CultureInfo.InvariantCulture);
        if (bounds[^1].Length > 0)
            max = int.Parse(bounds[^1], CultureInfo.InvariantCulture);
        if (min > max)
            throw new FormatException("a repeat count from a higher number to a lower one");
        _at = end + 1;
        return true;
    }

    private RegexNode Atom()
    {
        var c = NextRune();
        switch (c)
        {
            case '(':
                return Group();
            case '[':
                return new SetNode(ReadClass());
            case '.':
                return new SetNode(_dotAll ? CodePointSet.Of(0, 0x10FFFF) : CodePointSet.Of('\n', '\n').Complement());
            case '^':
                return new AnchorNode(Anchor.LineStart);
            case '$':
                return new AnchorNode(Anchor.LineEnd);
            case '*' or '+' or '?':
                throw new FormatException($"a '{(char)c}' with nothing to repeat");
            case '\\':
                return Escape();
            default:
                return Literal(c);
        }
    }

    private RegexNode Group()
    {
        var (ignoreCase, dotAll) = (_ignoreCase, _dotAll);
        RegexNode node;
        if (Take("?="))
            node = new LookNode(Alternatives(), Behind: false, Negative: false);
        else if (Take("?!"))
            node = new LookNode(Alternatives(), Behind: false, Negative: true);
        else if (Take("?<="))
            node = new LookNode(Alternatives(), Behind: true, Negative: false);
        else if (Take("?<!"))
            node = new LookNode(Alternatives(), Behind: true, Negative: true);
        else if (Take("?>"))
            node = new AtomicNode(Alternatives());
        else if (Take("?") && !Take(":") && !(!IsOniguruma && TakeName()) && !(ReadFlags() && Take(":")))
            throw new FormatException($"a group that begins with '(?' and is neither {(IsOniguruma
                ? "(?: (?= (?! (?> (?<= (?<! nor (?i: or (?m:"
                : "(?: (?<name> nor (?i: or (?s:")}");
        else
            node = Alternatives(); // a plain group captures, which nothing here reads

        (_ignoreCase, _dotAll) = (ignoreCase, dotAll);
        return Take(")") ? node : throw new FormatException("a '(' without its ')'");
    }

    /// <summary>Takes the name of a group, `&lt;name&gt;` or `P&lt;name&gt;`; nothing here reads it.</summary>
    private bool TakeName()
    {
        var end = Take("P<") || Take("<") ? _pattern.IndexOf('>', _at) : -1;
        if (end <= _at || _pattern[_at..end].Any(c => !char.IsLetterOrDigit(c) && c != '_'))
            return false;
        _at = end + 1;
        return true;
    }

    private RegexNode Escape()
    {
        if (AtEnd)
            throw new FormatException("a '\\' at the end");
        Anchor? anchor = _pattern[_at] switch
        {
            'A' => Anchor.TextStart,
            'z' => Anchor.TextEnd,
            'Z' => Anchor.LastLineEnd,
            'b' => Anchor.WordBoundary,
            'B' => Anchor.NoWordBoundary,
            _ => null,
        };
        if (anchor is { } place)
        {
            _at++;
            return new AnchorNode(place);
        }

        return EscapedSet() is { } set ? new SetNode(set) : Literal(EscapedChar());
    }

    /// <summary>Reads what follows a backslash if it names a set of characters.</summary>
    private CodePointSet? EscapedSet()
    {
        var c = _pattern[_at];
        var set = char.ToLowerInvariant(c) switch
        {
            's' when c == 's' && _dialect == RegexDialect.EcmaScript => AsciiSpace,
            'd' when c == 'd' && _dialect == RegexDialect.EcmaScript => CodePointSet.Of('0', '9'),
            'w' when c == 'w' && _dialect == RegexDialect.EcmaScript => AsciiWord,
            's' => UnicodeProperties.WhiteSpace,
            'd' => UnicodeProperties.Digit,
            'w' => UnicodeProperties.Word,
            'h' when IsOniguruma => CodePointSet.Union([CodePointSet.Of('0', '9'), CodePointSet.Of('a', 'f'), CodePointSet.Of('A', 'F')]),
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
            'x' => Hex(IsOniguruma ? 1 : 2, 2, ""),
            'u' when !IsOniguruma && Take("{") => Hex(1, 6, "}"),
            'u' => Utf16(),
            < 0x80 when char.IsAsciiLetterOrDigit((char)c) => throw new FormatException($"'\\{(char)c}'"),
            _ => c,
        };
    }

    /// <summary>Reads four digits; with those of the other half after them where they are half a surrogate pair.</summary>
    private int Utf16()
    {
        var high = Hex(4, 4, "");
        var at = _at;
        if (!IsOniguruma && char.IsHighSurrogate((char)high) && Take("\\u") && Hex(4, 4, "") is var low && char.IsLowSurrogate((char)low))
            return char.ConvertToUtf32((char)high, (char)low);
        _at = at;
        return high;
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
        if (!IsOniguruma && IsNext("]"))
            throw new FormatException("a class that begins with ']', which dialects read differently: write '\\]'");
        var members = new List<CodePointSet>();
        CodePointSet? intersection = null;
        for (var first = true; AtEnd || _pattern[_at] != ']' || first; first = false)
        {
            if (AtEnd)
                throw new FormatException("a '[' without its ']'");
            if (!IsOniguruma && (IsNext("&&") || IsNext("-[") || IsNext("--") || IsNext("~~")))
                throw new FormatException($"'{_pattern.Substring(_at, 2)}' in a class, which dialects read differently: escape it by '\\'");
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
        if (IsOniguruma && Take("["))
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

    private SetNode Literal(int c)
    {
        var set = CodePointSet.Of(c, c);
        return new SetNode(_ignoreCase ? set.IgnoringCase() : set);
    }

    private int NextRune()
    {
        Rune.DecodeFromUtf16(_pattern.AsSpan(_at), out var rune, out var width);
        _at += width;
        return rune.Value;
    }

    private bool IsNext(string expected) => string.CompareOrdinal(_pattern, _at, expected, 0, expected.Length) == 0;

    private bool Take(string expected)
    {
        if (!IsNext(expected))
            return false;
        _at += expected.Length;
        return true;
    }
}
