using System.Text.RegularExpressions;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>
/// Cuts a template into text and tags, with the settings that transformers renders chat templates with: trim_blocks (the line end after a block or
/// a comment goes) and lstrip_blocks (so do blanks before one that stands first on its line); one line end at the end of the template goes too.
/// </summary>
internal sealed partial class Lexer
{
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private int _at;
    private int _line = 1;
    private bool _lineStarts = true;

    private Lexer(string source) => _source = source;

    /// <summary>The tokens of a template, the last of kind <see cref="TokenKind.End"/>.</summary>
    /// <exception cref="TemplateFault">A tag, a string or a comment is not closed, or a character has no place in a tag.</exception>
    public static List<Token> Read(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        var lexer = new Lexer(source.EndsWith('\n') ? source[..^1] : source);
        lexer.ReadAll();
        return lexer._tokens;
    }

    [GeneratedRegex(@"\G\s*raw\s*(?<end>-%\}\s*|%\})", RegexOptions.CultureInvariant)]
    private static partial Regex RawBegin { get; }

    [GeneratedRegex(@"\{%(?<sign>-|\+|)\s*endraw\s*(?<end>\+%\}|-%\}\s*|%\}\n?)", RegexOptions.CultureInvariant)]
    private static partial Regex RawEnd { get; }

    private void ReadAll()
    {
        while (_at < _source.Length)
        {
            int tag = NextTag();
            if (tag < 0)
            {
                Add(TokenKind.Text, _source[_at..]);
                Advance(_source.Length);
                break;
            }

            char kind = _source[tag + 1];
            char sign = tag + 2 < _source.Length && _source[tag + 2] is '-' or '+' ? _source[tag + 2] : ' ';
            AddText(tag, sign, strips: kind != '{');
            Advance(tag + (sign == ' ' ? 2 : 3));
            if (kind == '#')
                SkipComment();
            else if (kind == '%' && RawBegin.Match(_source, _at) is { Success: true } raw)
                ReadRaw(raw);
            else
                ReadTag(isBlock: kind == '%');
        }

        Add(TokenKind.End, "");
    }

    private int NextTag()
    {
        for (int at = _at; (at = _source.IndexOf('{', at)) >= 0 && at + 1 < _source.Length; at++)
        {
            if (_source[at + 1] is '{' or '%' or '#')
                return at;
        }

        return -1;
    }

    /// <summary>Adds the text up to a tag, without the blanks that the tag takes.</summary>
    private void AddText(int end, char sign, bool strips)
    {
        var text = _source.AsSpan(_at, end - _at);
        if (sign == '-')
        {
            text = PythonText.TrimEnd(text);
        }
        else if (sign != '+' && strips)
        {
            int lineStart = text.LastIndexOf('\n') + 1;
            if ((lineStart > 0 || _lineStarts) && PythonText.IsSpace(text[lineStart..]))
                text = text[..lineStart];
        }

        if (text.Length > 0)
            Add(TokenKind.Text, text.ToString());
    }

    private void SkipComment()
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
            throw new TemplateFault("a comment is not closed", _line);
        char sign = end > _at ? _source[end - 1] : ' ';
        Advance(end + 2);
        Trim(sign, block: true);
    }

    private void ReadRaw(Match begin)
    {
        int line = _line;
        Advance(begin.Index + begin.Length);
        _lineStarts = begin.Value.EndsWith('\n');
        if (RawEnd.Match(_source, _at) is not { Success: true } end)
            throw new TemplateFault("'raw' is not closed", line);
        AddText(end.Index, end.Groups["sign"].Value is [var sign] ? sign : ' ', strips: true);
        Advance(end.Index + end.Length);
        _lineStarts = end.Value.EndsWith('\n');
    }

    /// <summary>Takes what goes after the end of a tag.</summary>
    private void Trim(char sign, bool block)
    {
        int end = _at;
        if (sign == '-')
        {
            while (end < _source.Length && PythonText.IsSpace(_source[end]))
                end++;
        }
        else if (block && sign != '+' && end < _source.Length && _source[end] == '\n')
        {
            end++;
        }

        _lineStarts = end > _at && _source[end - 1] == '\n';
        Advance(end);
    }

    private void ReadTag(bool isBlock)
    {
        int line = _line;
        Add(isBlock ? TokenKind.BlockBegin : TokenKind.VariableBegin, isBlock ? "{%" : "{{");
        string end = isBlock ? "%}" : "}}";
        var open = new Stack<char>();
        while (true)
        {
            while (_at < _source.Length && PythonText.IsSpace(_source[_at]))
                Advance(_at + 1);
            if (_at >= _source.Length)
                throw new TemplateFault($"a tag that begins here is not closed with '{end}'", line);

            // Within brackets two braces close two dictionaries.
            char first = _source[_at];
            if (open.Count == 0)
            {
                bool signed = first == '-' || (isBlock && first == '+');
                if (string.CompareOrdinal(_source, _at + (signed ? 1 : 0), end, 0, 2) == 0)
                {
                    Add(isBlock ? TokenKind.BlockEnd : TokenKind.VariableEnd, end);
                    Advance(_at + (signed ? 3 : 2));
                    Trim(signed ? first : ' ', isBlock);
                    return;
                }
            }

            var (token, length) = TagLexer.Read(_source, _at, _line);
            _tokens.Add(token);
            Advance(_at + length);
            if (token.Kind == TokenKind.Operator)
                Balance(open, token);
        }
    }

    private static void Balance(Stack<char> open, Token token)
    {
        if (token.Text is "(" or "[" or "{")
            open.Push(token.Text[0] switch { '(' => ')', '[' => ']', _ => '}' });
        else if (token.Text is ")" or "]" or "}" && (!open.TryPop(out char wanted) || wanted != token.Text[0]))
            throw new TemplateFault($"'{token.Text}' closes nothing", token.Line);
    }

    private void Add(TokenKind kind, string text) => _tokens.Add(new Token(kind, text, _line));

    private void Advance(int to)
    {
        _line += _source.AsSpan(_at, to - _at).Count('\n');
        _at = to;
    }
}
