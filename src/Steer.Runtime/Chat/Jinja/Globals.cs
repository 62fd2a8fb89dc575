namespace Steer.Runtime.Chat.Jinja;

/// <summary>Functions that every chat template may call: range, dict and namespace of Jinja, and what transformers adds.</summary>
internal static class Globals
{
    /// <summary>Longest range, as in Jinja's sandbox.</summary>
    private const int MaxRange = 100_000;

    public static void AddTo(Scope scope, Budget budget, TimeProvider clock)
    {
        void Add(string name, Func<Arguments, object?> function) => scope.Set(name, new Callable(name, function));
        Add("range", arguments => Range(arguments, budget));
        Add("namespace", arguments => Namespace(arguments, budget));
        Add("dict", arguments => Dict(arguments, budget));
        Add("raise_exception", arguments => throw new TemplateFault(
            TextFormat.Str(arguments.Only("raise_exception", "message"), budget)) { IsRaised = true });
        Add("strftime_now", arguments => budget.Made(DateFormat.Format(
            arguments.Only("strftime_now", "format").Text("strftime_now") ?? "", clock.GetLocalNow())));
    }

    private static ListValue Range(Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("range", 1, "start", "stop", "step");
        long first = given[0].Integer("range", 0), last = given[1].Integer("range", 0), step = given[2].Integer("range", 1);
        if (given[1].IsMissing())
            (first, last) = (0, first);
        if (step == 0)
            throw new TemplateFault("the step of a range is 0");
        decimal count = Math.Max(0, Math.Ceiling(((decimal)last - first) / step));
        if (count > MaxRange)
            throw new TemplateFault($"a range is longer than {MaxRange}");
        budget.Step((long)count);
        return new ListValue([.. Enumerable.Range(0, (int)count).Select(i => (object?)(first + (i * step)))]);
    }

    private static NamespaceValue Namespace(Arguments arguments, Budget budget)
    {
        var space = new NamespaceValue();
        foreach (var (key, value) in Dict(arguments, budget).Members)
            space.Set(key as string ?? throw new TemplateFault("a member of a namespace has no name"), value);
        return space;
    }

    private static DictValue Dict(Arguments arguments, Budget budget)
    {
        var dict = new DictValue();
        foreach (object? source in arguments.Positional)
        {
            budget.Step(Operators.Length(source, budget));
            if (source is DictValue other)
            {
                foreach (var (key, value) in other.Members)
                    dict[key] = value;
                continue;
            }

            foreach (object? item in Operators.Items(source, budget))
            {
                var pair = Operators.Items(item, budget);
                dict[pair.Count == 2 ? pair[0] : throw new TemplateFault("a dictionary is made of pairs")] = pair[1];
            }
        }

        foreach (var (name, value) in arguments.Named)
            dict[name] = value;
        return dict;
    }
}
