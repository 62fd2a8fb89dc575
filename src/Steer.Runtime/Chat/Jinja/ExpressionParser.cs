namespace Steer.Runtime.Chat.Jinja;

/// <summary>
/// Reads expressions, the weakest operator first: if, or, and, not, comparisons, + -, ~, * / // %, **, unary signs, filters and tests.
/// </summary>
internal sealed partial class ExpressionParser(TokenStream tokens)
{
    /// <summary>An expression.</summary>
    /// <param name="conditional">It may be "a if b else c"; not where an if follows that belongs to a for.</param>
    public Expression Read(bool conditional = true)
    {
        tokens.Enter();
        int line = tokens.Line;
        var value = ReadOr();
        while (conditional && tokens.SkipName("if"))
        {
            var condition = ReadOr();
            value = new ConditionalNode(line, condition, value, tokens.SkipName("else") ? Read() : null);
        }

        tokens.Leave();
        return value;
    }

    /// <summary>An expression, or several with commas between them, which are a tuple.</summary>
    public Expression ReadTuple(bool conditional = true)
    {
        int line = tokens.Line;
        var first = Read(conditional);
        if (!tokens.Current.Is(","))
            return first;
        List<Expression> items = [first];
        while (tokens.Skip(",") && !EndsTuple)
            items.Add(Read(conditional));
        return new ListNode(line, items, IsTuple: true);
    }

    /// <summary>What a value is assigned to: a name, several with commas between them, or a member of a namespace where that is allowed.</summary>
    public Expression ReadTarget(bool members = false)
    {
        int line = tokens.Line;
        if (members && tokens.Ahead.Is("."))
        {
            var space = new NameNode(line, TargetName());
            tokens.Expect(".");
            return new MemberNode(line, space, tokens.ExpectName("a name"));
        }

        var first = ReadTargetItem();
        if (!tokens.Current.Is(","))
            return first;
        List<Expression> items = [first];
        while (tokens.Skip(",") && (tokens.Current.Kind == TokenKind.Name || tokens.Current.Is("(")) && !tokens.Current.IsName("in"))
            items.Add(ReadTargetItem());
        return new ListNode(line, items, IsTuple: true);
    }

    /// <summary>Parameters of a macro, with their brackets.</summary>
    public List<Parameter> ReadParameters()
    {
        var parameters = new List<Parameter>();
        tokens.Expect("(");
        while (!tokens.Skip(")"))
        {
            if (parameters.Count > 0)
                tokens.Expect(",");
            string name = TargetName();
            parameters.Add(new Parameter(name, tokens.Skip("=") ? Read() : null));
        }

        return parameters;
    }

    /// <summary>Filters that follow each other, the first without its bar: what a filter block and a set block name.</summary>
    public FilterNode ReadFilters()
    {
        var filter = ReadFilter(null);
        while (tokens.Skip("|"))
            filter = ReadFilter(filter);
        return filter;
    }

    private bool EndsTuple => tokens.Current.Kind is TokenKind.BlockEnd or TokenKind.VariableEnd or TokenKind.End
        || tokens.Current.Is(")") || tokens.Current.Is("]") || tokens.Current.Is("=");

    private Expression ReadTargetItem()
    {
        int line = tokens.Line;
        if (!tokens.Skip("("))
            return new NameNode(line, TargetName());
        tokens.Enter();
        var inner = ReadTarget();
        tokens.Expect(")");
        tokens.Leave();
        return inner;
    }

    private string TargetName()
    {
        if (tokens.Current.Kind == TokenKind.Name && Constant(tokens.Current.Text, out _))
            throw new TemplateFault($"{tokens.Current.Shown} cannot be assigned", tokens.Line);
        return tokens.ExpectName("a name");
    }

    private Expression ReadOr() => ReadLeft(ReadAnd, static t => t.IsName("or"));

    private Expression ReadAnd() => ReadLeft(ReadNot, static t => t.IsName("and"));

    private Expression ReadNot()
    {
        int line = tokens.Line;
        if (!tokens.SkipName("not"))
            return ReadCompare();
        tokens.Enter();
        var operand = ReadNot();
        tokens.Leave();
        return new UnaryNode(line, "not", operand);
    }

    private Expression ReadCompare()
    {
        int line = tokens.Line;
        var first = ReadSum();
        var others = new List<(string, Expression)>();
        while (CompareOperator() is { } op)
            others.Add((op, ReadSum()));
        return others.Count == 0 ? first : new CompareNode(line, first, others);
    }

    private string? CompareOperator()
    {
        var token = tokens.Current;
        if (token.Kind == TokenKind.Operator && token.Text is "==" or "!=" or "<" or "<=" or ">" or ">=" || token.IsName("in"))
            return tokens.Next().Text;
        if (!token.IsName("not") || !tokens.Ahead.IsName("in"))
            return null;
        tokens.Next();
        tokens.Next();
        return "not in";
    }

    private Expression ReadSum() => ReadLeft(ReadConcat, static t => t.Is("+") || t.Is("-"));

    private Expression ReadConcat()
    {
        int line = tokens.Line;
        var first = ReadProduct();
        if (!tokens.Current.Is("~"))
            return first;
        List<Expression> items = [first];
        while (tokens.Skip("~"))
            items.Add(ReadProduct());
        return new ConcatNode(line, items);
    }

    private Expression ReadProduct() => ReadLeft(ReadPower, static t => t.Is("*") || t.Is("/") || t.Is("//") || t.Is("%"));

    private Expression ReadPower() => ReadLeft(() => ReadUnary(filters: true), static t => t.Is("**"));

    private Expression ReadLeft(Func<Expression> operand, Func<Token, bool> isOperator)
    {
        int line = tokens.Line;
        var left = operand();
        while (isOperator(tokens.Current))
        {
            string op = tokens.Next().Text;
            left = new BinaryNode(line, op, left, operand());
        }

        return left;
    }

    private Expression ReadUnary(bool filters)
    {
        tokens.Enter();
        int line = tokens.Line;
        string? sign = tokens.Current.Is("-") || tokens.Current.Is("+") ? tokens.Next().Text : null;
        var value = ReadPostfix(sign is null ? ReadPrimary() : new UnaryNode(line, sign, ReadUnary(filters: false)));
        tokens.Leave();
        return filters ? ReadFiltersAndTests(value) : value;
    }
}
