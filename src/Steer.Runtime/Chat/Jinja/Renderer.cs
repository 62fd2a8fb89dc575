using System.Text;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Runs the statements of a template.</summary>
internal sealed class Renderer
{
    private readonly Budget _budget = new();
    private readonly Evaluator _evaluator;
    private StringBuilder _output = new();

    private Renderer() => _evaluator = new Evaluator(_budget);

    /// <summary>What a list of statements asks of the loop around it.</summary>
    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    /// <summary>The text that a template makes of variables.</summary>
    /// <param name="template">As parsed.</param>
    /// <param name="variables">Values by name; <see cref="Globals"/> are there beside them.</param>
    /// <param name="clock">Tells the date.</param>
    /// <exception cref="TemplateFault">Something in it is wrong, or it refuses the variables; names the line.</exception>
    public static string Render(IReadOnlyList<Statement> template, IEnumerable<KeyValuePair<string, object?>> variables, TimeProvider clock)
    {
        var renderer = new Renderer();
        var globals = new Scope(null);
        Globals.AddTo(globals, renderer._budget, clock);
        var scope = new Scope(globals);
        foreach (var (name, value) in variables)
            scope.Set(name, value);
        renderer.Run(template, scope);
        return renderer._output.ToString();
    }

    private Flow Run(IReadOnlyList<Statement> body, Scope scope)
    {
        foreach (var statement in body)
        {
            _budget.Step();
            _budget.Enter();
            try
            {
                var flow = Run(statement, scope);
                if (flow != Flow.Next)
                    return flow;
            }
            catch (TemplateFault fault) when (fault.At(statement.Line))
            {
                throw;
            }
            finally
            {
                _budget.Leave();
            }
        }

        return Flow.Next;
    }

    private Flow Run(Statement statement, Scope scope)
    {
        switch (statement)
        {
            case TextNode text:
                Write(text.Text);
                break;
            case OutputNode output:
                Write(TextFormat.Str(_evaluator.Evaluate(output.Value, scope), _budget));
                break;
            case IfNode choice:
                foreach (var (condition, body) in choice.Branches)
                {
                    if (_evaluator.IsTrue(condition, scope))
                        return Run(body, scope);
                }

                return Run(choice.Otherwise, scope);
            case ForNode loop:
                return RunLoop(loop, scope);
            case SetNode set:
                Assign(set.Target, _evaluator.Evaluate(set.Value, scope), scope);
                break;
            case SetBlockNode set:
                object? captured = Capture(set.Body, new Scope(scope));
                Assign(set.Target, set.Filter is { } by ? Filter(by, captured, scope) : captured, scope);
                break;
            case MacroNode macro:
                scope.Set(macro.Name, Macro(macro, scope));
                break;
            case CallBlockNode call:
                RunCall(call, scope);
                break;
            case FilterBlockNode block:
                Write(TextFormat.Str(Filter(block.Filter, Capture(block.Body, new Scope(scope)), scope), _budget));
                break;
            case WithNode with:
                var inner = new Scope(scope);
                foreach (var (target, value) in with.Assignments)
                    Assign(target, _evaluator.Evaluate(value, scope), inner);
                return Run(with.Body, inner);
            case BreakNode:
                return Flow.Break;
            case ContinueNode:
                return Flow.Continue;
        }

        return Flow.Next;
    }

    private Flow RunLoop(ForNode node, Scope scope)
    {
        var items = Operators.Items(_evaluator.Evaluate(node.Items, scope), _budget);
        _budget.Step(items.Count);
        if (node.Condition is { } condition)
        {
            var kept = new List<object?>();
            foreach (object? item in items)
            {
                var each = new Scope(scope);
                Assign(node.Target, item, each);
                if (_evaluator.IsTrue(condition, each))
                    kept.Add(item);
            }

            items = kept;
        }

        if (items.Count == 0)
            return Run(node.Otherwise, new Scope(scope));
        var loop = new LoopValue(items, _budget);
        for (int i = 0; i < items.Count; i++)
        {
            var each = new Scope(scope);
            loop.Index = i;
            each.Set("loop", loop);
            Assign(node.Target, items[i], each);
            if (Run(node.Body, each) == Flow.Break)
                break;
        }

        return Flow.Next;
    }

    private void Assign(Expression target, object? value, Scope scope)
    {
        switch (target)
        {
            case NameNode name:
                scope.Set(name.Name, value);
                break;
            case MemberNode { Target: NameNode space } member:
                if (_evaluator.Evaluate(space, scope) is not NamespaceValue found)
                    throw new TemplateFault($"'{space.Name}' is no namespace, so its members cannot be assigned");
                found.Set(member.Name, value);
                break;
            default:
                var targets = ((ListNode)target).Items;
                var values = Operators.Items(value, _budget);
                if (values.Count != targets.Count)
                    throw new TemplateFault($"{values.Count} values are assigned to {targets.Count} names");
                for (int i = 0; i < targets.Count; i++)
                    Assign(targets[i], values[i], scope);
                break;
        }
    }

    private Callable Macro(MacroNode node, Scope scope) =>
        new(node.Name, arguments => Expand(node, arguments, scope));

    /// <summary>The text of a macro. It sees the scope that it stands in, not that of whoever calls it.</summary>
    private string Expand(MacroNode node, Arguments arguments, Scope scope)
    {
        _budget.Step(node.Parameters.Count + arguments.Positional.Count + arguments.Named.Count);
        var inner = new Scope(scope);
        var parameters = node.Parameters.Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        var named = new Dictionary<string, object?>(StringComparer.Ordinal);
        var extra = new DictValue();
        foreach (var (name, value) in arguments.Named)
        {
            named.TryAdd(name, value);
            if (name == "caller")
                inner.Set(name, value);
            else if (!parameters.Contains(name))
                extra[name] = value;
        }

        inner.Set("varargs", new ListValue([.. arguments.Positional.Skip(node.Parameters.Count)], isTuple: true));
        inner.Set("kwargs", extra);
        for (int i = 0; i < node.Parameters.Count; i++)
        {
            var parameter = node.Parameters[i];
            inner.Set(
                parameter.Name,
                i < arguments.Positional.Count ? arguments.Positional[i]
                : named.TryGetValue(parameter.Name, out object? given) ? given
                : parameter.Default is { } value ? _evaluator.Evaluate(value, inner)
                : new Undefined($"parameter '{parameter.Name}' of '{node.Name}' was not given"));
        }

        return Capture(node.Body, inner);
    }

    private void RunCall(CallBlockNode node, Scope scope)
    {
        object? target = _evaluator.Evaluate(node.Call.Target, scope);
        var arguments = _evaluator.Arguments(node.Call.Arguments, scope);
        if (target is not Callable macro)
            throw new TemplateFault(Operators.Explain(target, null, $"{Operators.KindOf(target)} cannot be called"));
        var caller = KeyValuePair.Create("caller", (object?)Macro(node.Caller, scope));
        Write(TextFormat.Str(macro.Invoke(arguments with { Named = [.. arguments.Named, caller] }), _budget));
    }

    /// <summary>Filters a text, the first filter of a chain first.</summary>
    private object? Filter(FilterNode last, object? value, Scope scope)
    {
        // A chain may be as long as the template, too long to go down by recursion.
        var chain = new Stack<FilterNode>();
        for (var filter = last; filter is not null; filter = filter.Target as FilterNode)
            chain.Push(filter);
        foreach (var filter in chain)
        {
            _budget.Step();
            value = _evaluator.Apply(filter, value, scope);
        }

        return value;
    }

    /// <summary>The text that statements write.</summary>
    private string Capture(IReadOnlyList<Statement> body, Scope scope)
    {
        var outer = _output;
        _output = new StringBuilder();
        try
        {
            Run(body, scope);
            return _output.ToString();
        }
        finally
        {
            _output = outer;
        }
    }

    private void Write(string text)
    {
        _budget.Text(text.Length);
        if (_output.Length + (long)text.Length > Budget.MaxText)
            _budget.Text(_output.Length + (long)text.Length);
        _output.Append(text);
    }
}
