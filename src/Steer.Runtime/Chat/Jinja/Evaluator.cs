namespace Steer.Runtime.Chat.Jinja;

/// <summary>Values of expressions.</summary>
internal sealed class Evaluator(Budget budget)
{
    public Budget Budget => budget;

    /// <summary>The value of an expression.</summary>
    /// <exception cref="TemplateFault">It has none; names the line.</exception>
    public object? Evaluate(Expression node, Scope scope)
    {
        budget.Step();
        budget.Enter();
        try
        {
            return Compute(node, scope);
        }
        catch (TemplateFault fault) when (fault.At(node.Line))
        {
            throw;
        }
        finally
        {
            budget.Leave();
        }
    }

    public bool IsTrue(Expression node, Scope scope) => Operators.IsTrue(Evaluate(node, scope));

    /// <summary>Values of the arguments of a call, a filter or a test.</summary>
    public Arguments Arguments(ArgumentNodes nodes, Scope scope)
    {
        if (nodes.Positional.Count == 0 && nodes.Named.Count == 0)
            return Jinja.Arguments.None;
        var positional = new List<object?>();
        foreach (var (node, spread) in nodes.Positional)
        {
            object? value = Evaluate(node, scope);
            if (!spread)
            {
                positional.Add(value);
                continue;
            }

            var items = Operators.Items(value, budget);
            budget.Step(items.Count);
            positional.AddRange(items);
        }

        var named = new List<KeyValuePair<string, object?>>();
        foreach (var (name, node) in nodes.Named)
        {
            object? value = Evaluate(node, scope);
            if (name is not null)
                named.Add(new(name, value));
            else if (value is DictValue dict)
                named.AddRange(dict.Members.Select(Named));
            else
                throw new TemplateFault($"** wants a dictionary and is given {Operators.KindOf(value)}");
        }

        return new Arguments(positional, named);

        KeyValuePair<string, object?> Named((object? Key, object? Value) member)
        {
            budget.Step();
            budget.Look(member.Key);
            return KeyValuePair.Create(member.Key as string ?? throw new TemplateFault("** wants names"), member.Value);
        }
    }

    /// <summary>A filter of a value.</summary>
    public object? Apply(FilterNode filter, object? value, Scope scope) =>
        Filters.Apply(filter.Name, value, Arguments(filter.Arguments, scope), budget);

    private object? Compute(Expression node, Scope scope)
    {
        switch (node)
        {
            case Literal literal:
                return literal.Value;
            case NameNode name:
                return scope.TryGet(name.Name, out object? found) ? found : new Undefined($"'{name.Name}' is undefined");
            case MemberNode member:
                return Members.Get(Evaluate(member.Target, scope), member.Name, budget);
            case ItemNode item:
                return Members.GetItem(Evaluate(item.Target, scope), Evaluate(item.Index, scope), budget);
            case SliceNode slice:
                return Slice(slice, scope);
            case CallNode call:
                return Call(call, scope);
            case FilterNode filter:
                // A filter block has no target: its text is filtered by whoever runs the block.
                return Apply(filter, Evaluate(filter.Target!, scope), scope);
            case TestNode test:
                return Tests.Holds(test.Name, Evaluate(test.Target, scope), Arguments(test.Arguments, scope), budget) != test.Negated;
            case UnaryNode unary:
                object? operand = Evaluate(unary.Operand, scope);
                return unary.Operator == "not" ? !Operators.IsTrue(operand) : Arithmetic.Negate(unary.Operator, operand);
            case BinaryNode binary:
                return Binary(binary, scope);
            case ConcatNode concat:
                return Concat(concat, scope);
            case CompareNode compare:
                return Compare(compare, scope);
            case ConditionalNode choice:
                if (IsTrue(choice.Condition, scope))
                    return Evaluate(choice.Then, scope);
                return choice.Otherwise is { } otherwise ? Evaluate(otherwise, scope) : new Undefined("an 'if' without 'else' has no value");
            case ListNode list:
                return new ListValue([.. list.Items.Select(i => Evaluate(i, scope))], list.IsTuple);
            default:
                var dict = new DictValue();
                foreach (var (key, value) in ((DictNode)node).Items)
                {
                    object? name = Evaluate(key, scope);
                    budget.Look(name);
                    dict[name] = Evaluate(value, scope);
                }

                return dict;
        }
    }

    private object? Call(CallNode call, Scope scope)
    {
        object? target = Evaluate(call.Target, scope);
        var arguments = Arguments(call.Arguments, scope);
        return target is Callable function
            ? function.Invoke(arguments)
            : throw new TemplateFault(Operators.Explain(target, null, $"{Operators.KindOf(target)} cannot be called"));
    }

    private object? Binary(BinaryNode node, Scope scope)
    {
        object? left = Evaluate(node.Left, scope);
        if (node.Operator is "and" or "or")
            return Operators.IsTrue(left) == (node.Operator == "or") ? left : Evaluate(node.Right, scope);
        return Arithmetic.Apply(node.Operator, left, Evaluate(node.Right, scope), budget);
    }

    private string Concat(ConcatNode node, Scope scope)
    {
        string[] texts = [.. node.Items.Select(i => TextFormat.Str(Evaluate(i, scope), budget))];
        budget.Text(texts.Sum(t => (long)t.Length));
        return string.Concat(texts);
    }

    private bool Compare(CompareNode node, Scope scope)
    {
        object? left = Evaluate(node.First, scope);
        foreach (var (op, other) in node.Others)
        {
            object? right = Evaluate(other, scope);
            if (!Operators.Compare(op, left, right, budget))
                return false;
            left = right;
        }

        return true;
    }

    private object? Slice(SliceNode node, Scope scope)
    {
        long? Bound(Expression? bound) => bound is null ? null : Evaluate(bound, scope) switch
        {
            null => null,
            long number => number,
            bool flag => flag ? 1 : 0,
            var other => throw new TemplateFault(
                Operators.Explain(other, null, $"a slice wants whole numbers and is given {Operators.KindOf(other)}")),
        };
        object? target = Evaluate(node.Target, scope);
        return Members.Slice(target, Bound(node.Start), Bound(node.Stop), Bound(node.Step), budget);
    }
}
