using System.Globalization;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>What operators stand between: constants, names, brackets, members, calls, filters and tests.</summary>
internal sealed partial class ExpressionParser
{
    private Expression ReadPrimary()
    {
        var token = tokens.Next();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return Constant(token.Text, out object? constant) ? new Literal(token.Line, constant) : new NameNode(token.Line, token.Text);
            case TokenKind.String:
                List<string> texts = [token.Text];
                while (tokens.Current.Kind == TokenKind.String)
                    texts.Add(tokens.Next().Text);
                return new Literal(token.Line, string.Concat(texts));
            case TokenKind.Integer:
                return new Literal(token.Line, Integer(token));
            case TokenKind.Float:
                return new Literal(token.Line, double.Parse(token.Text, CultureInfo.InvariantCulture));
            case TokenKind.Operator when token.Text == "(":
                if (tokens.Skip(")"))
                    return new ListNode(token.Line, [], IsTuple: true);
                var inner = ReadTuple();
                tokens.Expect(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ListNode(token.Line, ReadItems("]", () => Read()), IsTuple: false);
            case TokenKind.Operator when token.Text == "{":
                return new DictNode(token.Line, ReadItems("}", ReadPair));
            default:
                throw new TemplateFault($"{token.Shown} stands where a value is wanted", token.Line);
        }
    }

    private (Expression, Expression) ReadPair()
    {
        var key = Read();
        tokens.Expect(":");
        return (key, Read());
    }

    private List<T> ReadItems<T>(string end, Func<T> read)
    {
        var items = new List<T>();
        while (!tokens.Skip(end))
        {
            if (items.Count > 0)
            {
                tokens.Expect(",");
                if (tokens.Skip(end))
                    break;
            }

            items.Add(read());
        }

        return items;
    }

    private Expression ReadPostfix(Expression value)
    {
        while (true)
        {
            int line = tokens.Line;
            if (tokens.Skip("."))
            {
                var name = tokens.Next();
                value = name.Kind switch
                {
                    TokenKind.Name => new MemberNode(line, value, name.Text),
                    TokenKind.Integer => new ItemNode(line, value, new Literal(line, Integer(name))),
                    _ => throw new TemplateFault($"{name.Shown} stands where a member's name is wanted", line),
                };
            }
            else if (tokens.Skip("["))
            {
                value = ReadSubscript(line, value);
            }
            else if (tokens.Current.Is("("))
            {
                value = new CallNode(line, value, ReadArguments());
            }
            else
            {
                return value;
            }
        }
    }

    private Expression ReadSubscript(int line, Expression target)
    {
        Expression? Bound() => tokens.Current.Is(":") || tokens.Current.Is("]") ? null : Read();
        var start = Bound();
        if (!tokens.Skip(":"))
        {
            if (start is null)
                throw tokens.Unexpected("an index");
            tokens.Expect("]");
            return new ItemNode(line, target, start);
        }

        var stop = Bound();
        var step = tokens.Skip(":") ? Bound() : null;
        tokens.Expect("]");
        return new SliceNode(line, target, start, stop, step);
    }

    private Expression ReadFiltersAndTests(Expression value)
    {
        while (true)
        {
            int line = tokens.Line;
            if (tokens.Skip("|"))
                value = ReadFilter(value);
            else if (tokens.SkipName("is"))
                value = ReadTest(line, value);
            else if (tokens.Current.Is("("))
                value = new CallNode(line, value, ReadArguments());
            else
                return value;
        }
    }

    private FilterNode ReadFilter(Expression? target)
    {
        int line = tokens.Line;
        string name = DottedName("the name of a filter");
        return new FilterNode(line, target, name, tokens.Current.Is("(") ? ReadArguments() : ArgumentNodes.None);
    }

    private TestNode ReadTest(int line, Expression target)
    {
        bool negated = tokens.SkipName("not");
        string name = DottedName("the name of a test");
        var arguments = ArgumentNodes.None;
        var next = tokens.Current;
        if (next.Is("("))
            arguments = ReadArguments();
        else if (next.Kind is TokenKind.String or TokenKind.Integer or TokenKind.Float || next.Is("[") || next.Is("{")
            || (next.Kind == TokenKind.Name && next.Text is not ("else" or "or" or "and" or "if" or "is" or "in" or "not")))
            arguments = new ArgumentNodes([(ReadPostfix(ReadPrimary()), false)], []);
        return new TestNode(line, target, name, arguments, negated);
    }

    private string DottedName(string what)
    {
        string name = tokens.ExpectName(what);
        while (tokens.Skip("."))
            name += "." + tokens.ExpectName(what);
        return name;
    }

    private ArgumentNodes ReadArguments()
    {
        var positional = new List<(Expression, bool)>();
        var named = new List<(string?, Expression)>();
        tokens.Expect("(");
        ReadItems(")", () =>
        {
            if (tokens.Skip("**"))
            {
                named.Add((null, Read()));
            }
            else if (tokens.Current.Kind == TokenKind.Name && tokens.Ahead.Is("="))
            {
                string name = tokens.Next().Text;
                tokens.Expect("=");
                named.Add((name, Read()));
            }
            else
            {
                bool spread = tokens.Skip("*");
                if (named.Count > 0 && !spread)
                    throw new TemplateFault("an argument without a name follows one with a name", tokens.Line);
                positional.Add((Read(), spread));
            }

            return true;
        });
        return new ArgumentNodes(positional, named);
    }

    private static bool Constant(string name, out object? value)
    {
        value = name is "true" or "True" ? true : name is "false" or "False" ? false : null;
        return value is not null || name is "none" or "None";
    }

    private static long Integer(Token token)
    {
        var (digits, radix) = token.Text.Length > 2 && char.IsAsciiLetter(token.Text[1])
            ? (token.Text[2..], char.ToLowerInvariant(token.Text[1]) switch { 'x' => 16, 'o' => 8, _ => 2 })
            : (token.Text, 10);
        try
        {
            return radix == 10 ? long.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture) : Convert.ToInt64(digits, radix);
        }
        catch (OverflowException)
        {
            throw new TemplateFault($"{token.Text} is too large a number", token.Line);
        }
    }
}
