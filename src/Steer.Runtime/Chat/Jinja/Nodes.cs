namespace Steer.Runtime.Chat.Jinja;

/// <summary>A part of a parsed template.</summary>
/// <param name="Line">Where it stands, from 1.</param>
internal abstract record Node(int Line);

/// <summary>A part that has a value.</summary>
internal abstract record Expression(int Line) : Node(Line);

internal sealed record Literal(int Line, object? Value) : Expression(Line);

internal sealed record NameNode(int Line, string Name) : Expression(Line);

internal sealed record ListNode(int Line, IReadOnlyList<Expression> Items, bool IsTuple) : Expression(Line);

internal sealed record DictNode(int Line, IReadOnlyList<(Expression Key, Expression Value)> Items) : Expression(Line);

/// <summary>target.name: a method goes before a member of a dictionary.</summary>
internal sealed record MemberNode(int Line, Expression Target, string Name) : Expression(Line);

/// <summary>target[index]: a member of a dictionary goes before a method.</summary>
internal sealed record ItemNode(int Line, Expression Target, Expression Index) : Expression(Line);

/// <summary>target[start:stop:step]; null for what is left out.</summary>
internal sealed record SliceNode(int Line, Expression Target, Expression? Start, Expression? Stop, Expression? Step) : Expression(Line);

/// <summary>What a call, a filter or a test is given.</summary>
/// <param name="Positional">In order; those with a star are spread.</param>
/// <param name="Named">By name; without one they are dictionaries that are spread.</param>
internal sealed record ArgumentNodes(
    IReadOnlyList<(Expression Value, bool Spread)> Positional, IReadOnlyList<(string? Name, Expression Value)> Named)
{
    public static ArgumentNodes None { get; } = new([], []);
}

internal sealed record CallNode(int Line, Expression Target, ArgumentNodes Arguments) : Expression(Line);

/// <summary>Target is null for the text of a filter block.</summary>
internal sealed record FilterNode(int Line, Expression? Target, string Name, ArgumentNodes Arguments) : Expression(Line);

internal sealed record TestNode(int Line, Expression Target, string Name, ArgumentNodes Arguments, bool Negated) : Expression(Line);

/// <summary>Operator is +, - or not.</summary>
internal sealed record UnaryNode(int Line, string Operator, Expression Operand) : Expression(Line);

/// <summary>Operator is +, -, *, /, //, %, **, and, or.</summary>
internal sealed record BinaryNode(int Line, string Operator, Expression Left, Expression Right) : Expression(Line);

/// <summary>a ~ b ~ c.</summary>
internal sealed record ConcatNode(int Line, IReadOnlyList<Expression> Items) : Expression(Line);

/// <summary>a &lt; b &lt;= c: true where every neighbour pair is.</summary>
internal sealed record CompareNode(int Line, Expression First, IReadOnlyList<(string Operator, Expression Value)> Others) : Expression(Line);

/// <summary>then if condition else otherwise.</summary>
internal sealed record ConditionalNode(int Line, Expression Condition, Expression Then, Expression? Otherwise) : Expression(Line);

/// <summary>A part that writes or does something.</summary>
internal abstract record Statement(int Line) : Node(Line);

internal sealed record TextNode(int Line, string Text) : Statement(Line);

internal sealed record OutputNode(int Line, Expression Value) : Statement(Line);

internal sealed record IfNode(
    int Line, IReadOnlyList<(Expression Condition, IReadOnlyList<Statement> Body)> Branches, IReadOnlyList<Statement> Otherwise) : Statement(Line);

internal sealed record ForNode(
    int Line, Expression Target, Expression Items, Expression? Condition, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Otherwise)
    : Statement(Line);

/// <summary>Target is a name, a member of a namespace, or a tuple of names.</summary>
internal sealed record SetNode(int Line, Expression Target, Expression Value) : Statement(Line);

/// <summary>Filter is null for none.</summary>
internal sealed record SetBlockNode(int Line, Expression Target, FilterNode? Filter, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>Default is null for a parameter without one.</summary>
internal sealed record Parameter(string Name, Expression? Default);

internal sealed record MacroNode(int Line, string Name, IReadOnlyList<Parameter> Parameters, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>Calls a macro, which writes the body where it calls caller().</summary>
internal sealed record CallBlockNode(int Line, CallNode Call, MacroNode Caller) : Statement(Line);

internal sealed record FilterBlockNode(int Line, FilterNode Filter, IReadOnlyList<Statement> Body) : Statement(Line);

/// <summary>with, and generation, which assigns nothing: a scope of its own.</summary>
internal sealed record WithNode(int Line, IReadOnlyList<(Expression Target, Expression Value)> Assignments, IReadOnlyList<Statement> Body)
    : Statement(Line);

internal sealed record BreakNode(int Line) : Statement(Line);

internal sealed record ContinueNode(int Line) : Statement(Line);
