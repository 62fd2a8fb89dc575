namespace Steer.Runtime.Chat.Jinja;

/// <summary>Reads a template: text, values to write, and blocks.</summary>
internal sealed class StatementParser
{
    private const string Known = "if, for, set, macro, call, filter, with, generation, break, continue, raw";

    private readonly TokenStream _tokens;
    private readonly ExpressionParser _expressions;
    private int _loops;

    private StatementParser(TokenStream tokens) => (_tokens, _expressions) = (tokens, new ExpressionParser(tokens));

    /// <summary>Parses a template.</summary>
    /// <exception cref="TemplateFault">It is no template, or holds a block that is not known; names the line.</exception>
    public static IReadOnlyList<Statement> Parse(string source)
    {
        var tokens = new TokenStream(Lexer.Read(source));
        var parser = new StatementParser(tokens);
        var body = parser.ReadBody(null);
        return tokens.Current.Kind == TokenKind.End ? body : throw tokens.Unexpected("more of the template");
    }

    /// <summary>Statements up to one of the blocks that end them, whose begin is taken and whose name is the next token.</summary>
    /// <param name="opener">The block that is to be closed; null for the whole template.</param>
    /// <param name="ends">Names that end it.</param>
    private List<Statement> ReadBody(Token? opener, params ReadOnlySpan<string> ends)
    {
        _tokens.Enter();
        var body = new List<Statement>();
        while (true)
        {
            var token = _tokens.Next();
            switch (token.Kind)
            {
                case TokenKind.Text:
                    body.Add(new TextNode(token.Line, token.Text));
                    break;
                case TokenKind.VariableBegin:
                    body.Add(new OutputNode(token.Line, _expressions.ReadTuple()));
                    _tokens.Expect(TokenKind.VariableEnd, "'}}'");
                    break;
                case TokenKind.BlockBegin:
                    if (_tokens.Current.Kind == TokenKind.Name && ends.Contains(_tokens.Current.Text))
                    {
                        _tokens.Leave();
                        return body;
                    }

                    body.Add(ReadBlock(opener));
                    break;
                default:
                    if (opener is { } open)
                        throw new TemplateFault($"'{open.Text}' is not closed with '{ends[^1]}'", open.Line);
                    _tokens.Leave();
                    return body;
            }
        }
    }

    private Statement ReadBlock(Token? opener)
    {
        var name = _tokens.Next();
        switch (name.Kind == TokenKind.Name ? name.Text : "")
        {
            case "if":
                return ReadIf(name);
            case "for":
                return ReadFor(name);
            case "set":
                return ReadSet(name);
            case "macro":
                string macro = _tokens.ExpectName("the macro's name");
                return ReadMacro(name, macro, _expressions.ReadParameters());
            case "call":
                return ReadCall(name);
            case "filter":
                var filter = _expressions.ReadFilters();
                return new FilterBlockNode(name.Line, filter, ReadInner(name, "endfilter"));
            case "with":
                return ReadWith(name);
            case "generation":
                return new WithNode(name.Line, [], ReadInner(name, "endgeneration"));
            case "break" or "continue":
                if (_loops == 0)
                    throw new TemplateFault($"'{name.Text}' stands outside of a loop", name.Line);
                EndBlock();
                return name.Text == "break" ? new BreakNode(name.Line) : new ContinueNode(name.Line);
            default:
                string open = opener is { } block ? $", and '{block.Text}' of line {block.Line} is open" : "";
                throw new TemplateFault($"{name.Shown} is no block that is known here{open}; known are {Known}", name.Line);
        }
    }

    private IfNode ReadIf(Token name)
    {
        var branches = new List<(Expression, IReadOnlyList<Statement>)>();
        do
        {
            var condition = _expressions.ReadTuple(conditional: false);
            EndBlock();
            branches.Add((condition, ReadBody(name, "elif", "else", "endif")));
        }
        while (_tokens.SkipName("elif"));

        var otherwise = ReadElse(name, "endif");
        return new IfNode(name.Line, branches, otherwise);
    }

    private ForNode ReadFor(Token name)
    {
        var target = _expressions.ReadTarget();
        if (!_tokens.SkipName("in"))
            throw _tokens.Unexpected("'in'");
        var items = _expressions.ReadTuple(conditional: false);
        var condition = _tokens.SkipName("if") ? _expressions.Read() : null;
        if (_tokens.Current.IsName("recursive"))
            throw new TemplateFault("recursive loops are not supported", name.Line);
        EndBlock();
        _loops++;
        var body = ReadBody(name, "else", "endfor");
        _loops--;
        return new ForNode(name.Line, target, items, condition, body, ReadElse(name, "endfor"));
    }

    private List<Statement> ReadElse(Token name, string end)
    {
        List<Statement> otherwise = [];
        if (_tokens.SkipName("else"))
        {
            EndBlock();
            otherwise = ReadBody(name, end);
        }

        _tokens.Next();
        EndBlock();
        return otherwise;
    }

    private Statement ReadSet(Token name)
    {
        var target = _expressions.ReadTarget(members: true);
        if (_tokens.Skip("="))
        {
            var value = _expressions.ReadTuple();
            EndBlock();
            return new SetNode(name.Line, target, value);
        }

        var filter = _tokens.Skip("|") ? _expressions.ReadFilters() : null;
        return new SetBlockNode(name.Line, target, filter, ReadInner(name, "endset"));
    }

    private MacroNode ReadMacro(Token name, string macro, List<Parameter> parameters)
    {
        // A loop around a macro is not the macro's to end.
        (int outer, _loops) = (_loops, 0);
        var body = ReadInner(name, "end" + name.Text);
        _loops = outer;
        return new MacroNode(name.Line, macro, parameters, body);
    }

    private CallBlockNode ReadCall(Token name)
    {
        List<Parameter> parameters = _tokens.Current.Is("(") ? _expressions.ReadParameters() : [];
        return _expressions.Read() is CallNode call
            ? new CallBlockNode(name.Line, call, ReadMacro(name, "caller", parameters))
            : throw new TemplateFault("'call' wants the call of a macro", name.Line);
    }

    private WithNode ReadWith(Token name)
    {
        var assignments = new List<(Expression, Expression)>();
        while (_tokens.Current.Kind != TokenKind.BlockEnd)
        {
            if (assignments.Count > 0)
                _tokens.Expect(",");
            var target = _expressions.ReadTarget();
            _tokens.Expect("=");
            assignments.Add((target, _expressions.Read()));
        }

        return new WithNode(name.Line, assignments, ReadInner(name, "endwith"));
    }

    /// <summary>The end of a block's first tag, its body, and its last tag.</summary>
    private List<Statement> ReadInner(Token name, string end)
    {
        EndBlock();
        var body = ReadBody(name, end);
        _tokens.Next();
        EndBlock();
        return body;
    }

    private void EndBlock() => _tokens.Expect(TokenKind.BlockEnd, "'%}'");
}
