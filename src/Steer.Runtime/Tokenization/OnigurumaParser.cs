using System.Globalization;

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

    private readonly PatternCursor _cursor;
    private readonly PatternCharacters _characters;
    private readonly bool _isOniguruma;
    private int _depth;
    private bool _ignoreCase;
    private bool _dotAll;

    private OnigurumaParser(string pattern, RegexDialect dialect)
    {
        _cursor = new PatternCursor(pattern);
        _characters = new PatternCharacters(_cursor, dialect);
        _isOniguruma = dialect == RegexDialect.Oniguruma;
    }

    /// <summary>Reads a whole expression.</summary>
    public static RegexNode Parse(string pattern, RegexDialect dialect = RegexDialect.Oniguruma)
    {
        var parser = new OnigurumaParser(pattern, dialect);
        var node = parser.Alternatives();
        return parser._cursor.AtEnd ? node : throw new FormatException("a ')' without its '('");
    }

    private RegexNode Alternatives()
    {
        if (++_depth > MaxDepth)
            throw new FormatException($"groups nested more than {MaxDepth} deep");
        var (ignoreCase, dotAll) = (_ignoreCase, _dotAll);
        TakeFlags();
        var alternatives = new List<RegexNode>();
        var sequence = new List<RegexNode>();
        while (!_cursor.AtEnd && _cursor.Current != ')')
        {
            if (!_cursor.Take("|"))
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
        var before = (_cursor.At, _ignoreCase, _dotAll);
        if (!(_cursor.Take("(?") && ReadFlags() && _cursor.Take(")")))
            (_cursor.At, _ignoreCase, _dotAll) = before;
    }

    private bool ReadFlags()
    {
        var on = true;
        for (var read = 0; !_cursor.AtEnd; read++, _cursor.At++)
        {
            switch (_cursor.Current)
            {
                case '-':
                    on = false;
                    break;
                case 'i':
                    _ignoreCase = on;
                    break;
                case 'm' when _isOniguruma:
                case 's' when !_isOniguruma:
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
        while (!_cursor.AtEnd)
        {
            var (min, max) = (0, int.MaxValue);
            var isInterval = false;
            if (_cursor.Take("+"))
                min = 1;
            else if (_cursor.Take("?"))
                max = 1;
            else if (!_cursor.Take("*") && !(isInterval = TakeInterval(out min, out max)))
                break;

            if (!_isOniguruma && node is RepeatNode)
                throw new FormatException("a quantifier behind another, which dialects read differently: put a group around the first");

            // After an interval a plus repeats the repetition, and {n}? would be optional.
            if (_isOniguruma && isInterval && min == max && !_cursor.AtEnd && _cursor.Current == '?')
                throw new FormatException("'{n}?'");
            var kind = _cursor.Take("?") ? RepeatKind.Lazy : !isInterval && _cursor.Take("+") ? RepeatKind.Possessive : RepeatKind.Greedy;
            node = new RepeatNode(node, min, max, kind);
        }

        return node;
    }

    /// <summary>Takes {n}, {n,}, {,m} or {n,m}; anything else that begins with a brace is text.</summary>
    private bool TakeInterval(out int min, out int max)
    {
        (min, max) = (0, int.MaxValue);
        if (_cursor.Current != '{' || _cursor.UpTo('}') is not { } interval)
            return false;
        var bounds = interval[1..].Split(',');
        if (bounds.Length > 2 || bounds.All(bound => bound.Length == 0) || !bounds.All(bound => bound.All(char.IsAsciiDigit)))
            return false;
        if (!_isOniguruma && bounds[0].Length == 0)
            throw new FormatException($"'{{,{bounds[1]}}}', which dialects read differently: write '{{0,{bounds[1]}}}'");
        if (bounds.Any(bound => bound.Length > 5 || (bound.Length > 0 && int.Parse(bound, CultureInfo.InvariantCulture) > MaxRepeat)))
            throw new FormatException($"a repeat count above {MaxRepeat}");
        min = bounds[0].Length == 0 ? 0 : int.Parse(bounds[0], CultureInfo.InvariantCulture);
        if (bounds[^1].Length > 0)
            max = int.Parse(bounds[^1], CultureInfo.InvariantCulture);
        if (min > max)
            throw new FormatException("a repeat count from a higher number to a lower one");
        _cursor.At += interval.Length + 1;
        return true;
    }

    private RegexNode Atom()
    {
        var c = _cursor.NextRune();
        switch (c)
        {
            case '(':
                return Group();
            case '[':
                return new SetNode(_characters.ReadClass(_ignoreCase));
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
        if (_cursor.Take("?="))
            node = new LookNode(Alternatives(), Behind: false, Negative: false);
        else if (_cursor.Take("?!"))
            node = new LookNode(Alternatives(), Behind: false, Negative: true);
        else if (_cursor.Take("?<="))
            node = new LookNode(Alternatives(), Behind: true, Negative: false);
        else if (_cursor.Take("?<!"))
            node = new LookNode(Alternatives(), Behind: true, Negative: true);
        else if (_cursor.Take("?>"))
            node = new AtomicNode(Alternatives());
        else if (_cursor.Take("?") && !_cursor.Take(":") && !(!_isOniguruma && TakeName()) && !(ReadFlags() && _cursor.Take(":")))
            throw new FormatException($"a group that begins with '(?' and is neither {(_isOniguruma
                ? "(?: (?= (?! (?> (?<= (?<! nor (?i: or (?m:"
                : "(?: (?<name> nor (?i: or (?s:")}");
        else
            node = Alternatives(); // a plain group captures, which nothing here reads

        (_ignoreCase, _dotAll) = (ignoreCase, dotAll);
        return _cursor.Take(")") ? node : throw new FormatException("a '(' without its ')'");
    }

    /// <summary>Takes the name of a group, `&lt;name&gt;` or `P&lt;name&gt;`; nothing here reads it.</summary>
    private bool TakeName()
    {
        if (!(_cursor.Take("P<") || _cursor.Take("<")) || _cursor.UpTo('>') is not { Length: > 0 } name
            || name.Any(c => !char.IsLetterOrDigit(c) && c != '_'))
            return false;
        _cursor.At += name.Length + 1;
        return true;
    }

    private RegexNode Escape()
    {
        if (_cursor.AtEnd)
            throw new FormatException("a '\\' at the end");
        Anchor? anchor = _cursor.Current switch
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
            _cursor.At++;
            return new AnchorNode(place);
        }

        return _characters.EscapedSet() is { } set ? new SetNode(set) : Literal(_characters.EscapedChar());
    }

    private SetNode Literal(int c)
    {
        var set = CodePointSet.Of(c, c);
        return new SetNode(_ignoreCase ? set.IgnoringCase() : set);
    }
}
