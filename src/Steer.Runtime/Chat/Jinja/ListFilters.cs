using System.Globalization;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Filters of lists and dictionaries.</summary>
internal static class ListFilters
{
    public static object? End(object? value, Arguments arguments, Budget budget, bool last)
    {
        string name = last ? "last" : "first";
        arguments.ExpectNone(name);
        var items = Operators.Items(value, budget);
        return items.Count > 0 ? items[last ? ^1 : 0] : new Undefined($"{name} of an empty list is undefined");
    }

    public static object List(object? value, Arguments arguments, Budget budget)
    {
        arguments.ExpectNone("list");
        return Made(Operators.Items(value, budget), budget);
    }

    public static object Pairs(object? value, Arguments arguments, Budget budget)
    {
        arguments.ExpectNone("items");
        return value switch
        {
            Undefined => new ListValue([]),
            DictValue dict => Made([.. dict.Members.Select(Pair)], budget),
            _ => throw new TemplateFault($"items wants a dictionary and is given {Operators.KindOf(value)}"),
        };
    }

    public static object Join(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("join", 0, "d", "attribute");
        string separator = given[0].IsMissing() ? "" : TextFormat.Str(given[0], budget);
        string? path = PathOf(given[1], "join");
        return TextMethods.Join(separator, [.. Operators.Items(value, budget).Select(i => TextFormat.Str(Member(i, path, budget), budget))], budget);
    }

    public static object Reverse(object? value, Arguments arguments, Budget budget)
    {
        arguments.ExpectNone("reverse");
        return value is string text
            ? budget.Made(string.Concat(PythonText.Characters(text).Reverse()))
            : Made([.. Operators.Items(value, budget).Reverse()], budget);
    }

    /// <summary>map(attribute='a.b', default=x), or map('filter', ...).</summary>
    public static object Map(object? value, Arguments arguments, Budget budget)
    {
        if (arguments.Positional.Count > 0)
        {
            string name = arguments.Positional[0].Text("map") ?? throw new TemplateFault("map wants the name of a filter");
            var rest = arguments with { Positional = [.. arguments.Positional.Skip(1)] };
            return Made([.. Operators.Items(value, budget).Select(i => Filters.Apply(name, i, rest, budget))], budget);
        }

        object?[] given = arguments.Bind("map", 1, "attribute", "default");
        string? path = PathOf(given[0], "map");
        bool defaults = !given[1].IsMissing();
        var members = Operators.Items(value, budget).Select(i => Member(i, path, budget));
        return Made([.. members.Select(m => m is Undefined && defaults ? given[1] : m)], budget);
    }

    /// <summary>select, reject, selectattr and rejectattr: the items that pass a test, or do not; without a test, those that are true.</summary>
    public static object Select(string name, object? value, Arguments arguments, Budget budget)
    {
        bool attribute = name.EndsWith("attr", StringComparison.Ordinal), wanted = name[0] == 's';
        var given = arguments.Positional;
        string? path = !attribute ? null
            : PathOf(given.Count > 0 ? given[0] : null, name) ?? throw new TemplateFault($"{name} wants a member's name");
        int at = attribute ? 1 : 0;
        string? test = at < given.Count ? given[at].Text(name) : null;
        var rest = arguments with { Positional = [.. given.Skip(at + 1)] };
        bool Passes(object? item) => test is null ? Operators.IsTrue(item) : Tests.Holds(test, item, rest, budget);
        return Made([.. Operators.Items(value, budget).Where(i => Passes(Member(i, path, budget)) == wanted)], budget);
    }

    public static object Sort(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("sort", 0, "reverse", "case_sensitive", "attribute");
        string[] paths = PathOf(given[2], "sort")?.Split(',') ?? [];
        object? Key(object? item) => paths.Length == 0
            ? Folded(item, given[1], budget)
            : new ListValue([.. paths.Select(p => Folded(Member(item, p, budget), given[1], budget))]);
        return Made(Ordered(Operators.Items(value, budget), Key, given[0].Flag(ifMissing: false), budget), budget);
    }

    public static object SortDict(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("dictsort", 0, "case_sensitive", "by", "reverse");
        if (value is not DictValue dict)
            throw new TemplateFault(Operators.Explain(value, null, $"dictsort wants a dictionary and is given {Operators.KindOf(value)}"));
        int part = given[1].Text("dictsort") switch { null or "key" => 0, "value" => 1, _ => throw new TemplateFault("dictsort is by key or value") };
        object? Key(object? pair) => Folded(((ListValue)pair!).Items[part], given[0], budget);
        return Made(Ordered([.. dict.Members.Select(Pair)], Key, given[2].Flag(ifMissing: false), budget), budget);
    }

    public static object? Extreme(string name, object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind(name, 0, "case_sensitive", "attribute");
        string? path = PathOf(given[1], name);
        var items = Operators.Items(value, budget);
        if (items.Count == 0)
            return new Undefined($"{name} of an empty list is undefined");
        var ordered = Ordered(items, item => Folded(Member(item, path, budget), given[0], budget), reverse: name == "max", budget);
        return ordered[0];
    }

    public static object Unique(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("unique", 0, "case_sensitive", "attribute");
        string? path = PathOf(given[1], "unique");
        var (seen, kept) = (new DictValue(), new List<object?>());
        foreach (object? item in Operators.Items(value, budget))
        {
            object? key = Folded(Member(item, path, budget), given[0], budget);
            if (seen.Has(key))
                continue;
            seen[key] = null;
            kept.Add(item);
        }

        return Made(kept, budget);
    }

    public static object? Sum(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("sum", 0, "attribute", "start");
        string? path = PathOf(given[0], "sum");
        object? sum = given[1].IsMissing() ? 0L : given[1];
        foreach (object? item in Operators.Items(value, budget))
            sum = Arithmetic.Apply("+", sum, Member(item, path, budget), budget);
        return sum;
    }

    /// <summary>Items by their keys; equal ones stay in order, in reverse too, as Python's sort leaves them.</summary>
    public static IReadOnlyList<T> Ordered<T>(IEnumerable<T> items, Func<T, object?> key, bool reverse, Budget budget)
    {
        var compare = Comparer<object?>.Create((a, b) => reverse ? Operators.Compare(b, a, budget) : Operators.Compare(a, b, budget));
        try
        {
            return [.. items.OrderBy(key, compare)];
        }
        catch (InvalidOperationException e) when (e.InnerException is TemplateFault fault)
        {
            throw fault;
        }
    }

    private static ListValue Made(IReadOnlyList<object?> items, Budget budget)
    {
        budget.Step(items.Count);
        return new ListValue(items);
    }

    private static ListValue Pair((object? Key, object? Value) member) => new([member.Key, member.Value], isTuple: true);

    private static object? Member(object? item, string? path, Budget budget) => path is null ? item : Members.Path(item, path, budget);

    private static string? PathOf(object? value, string filter) =>
        value is long index ? index.ToString(CultureInfo.InvariantCulture) : value.Text(filter);

    /// <summary>Texts are compared without regard to case, unless that is asked for.</summary>
    private static object? Folded(object? value, object? caseSensitive, Budget budget)
    {
        budget.Look(value);
        return value is string text && !caseSensitive.Flag(ifMissing: false) ? budget.Made(text.ToLowerInvariant()) : value;
    }
}
