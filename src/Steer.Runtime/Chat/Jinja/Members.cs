using System.Globalization;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Members, items and slices of values.</summary>
internal static class Members
{
    /// <summary>value.name: a method or a member, then an item of that name; undefined where there is none.</summary>
    /// <exception cref="TemplateFault">The value itself is undefined.</exception>
    public static object? Get(object? value, string name, Budget budget) =>
        TryMember(value, name, budget, out object? member) || TryItem(value, name, budget, out member) ? member : Missing(value, $"'{name}'");

    /// <summary>value[index]: an item, then a member of that name; undefined where there is none.</summary>
    /// <exception cref="TemplateFault">The value itself is undefined.</exception>
    public static object? GetItem(object? value, object? index, Budget budget)
    {
        budget.Look(index);
        if (TryItem(value, index, budget, out object? item) || (index is string name && TryMember(value, name, budget, out item)))
            return item;
        return Missing(value, index is string ? $"'{index}'" : $"item {TextFormat.Repr(index, budget)}");
    }

    /// <summary>value[start:stop:step] with Python's rules for what is negative, missing or outside.</summary>
    public static object? Slice(object? value, long? start, long? stop, long? step, Budget budget)
    {
        if (value is Undefined undefined)
            throw new TemplateFault(undefined.Description);
        if (value is not (string or ListValue))
            throw new TemplateFault($"{Operators.KindOf(value)} cannot be sliced");
        var (text, list) = (value as string, value as ListValue);
        long by = step ?? 1;
        if (by == 0)
            throw new TemplateFault("the step of a slice is 0");
        long count = Operators.Length(value, budget), low = by > 0 ? 0 : -1, high = by > 0 ? count : count - 1;
        long Place(long? bound, long ifMissing) => bound is not { } at ? ifMissing : Math.Clamp(at < 0 ? at + count : at, low, high);
        long first = Place(start, by > 0 ? low : high), last = Place(stop, by > 0 ? high : low);
        if (text is not null && by == 1)
            return budget.Made(PythonText.Slice(text, (int)first, (int)Math.Max(first, last)));
        var (items, taken) = (Operators.Items(value, budget), new List<object?>());
        for (long at = first; by > 0 ? at < last : at > last; at = by > 0 ? SaturatingAdd(at, by, count) : SaturatingAdd(at, by, -1))
            taken.Add(items[(int)at]);
        budget.Step(1 + (taken.Count / 16));
        return list is not null ? new ListValue(taken, list.IsTuple) : budget.Made(string.Concat(taken.Cast<string>()));
    }

    /// <summary>a.b.0 of a value, as filters such as map name members.</summary>
    public static object? Path(object? value, string path, Budget budget)
    {
        foreach (string part in path.Split('.'))
        {
            bool isIndex = long.TryParse(part, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long index);
            value = GetItem(value, isIndex ? index : part, budget);
        }

        return value;
    }

    private static long SaturatingAdd(long at, long by, long end) => by > 0 ? (by > end - at ? end : at + by) : (by < end - at ? end : at + by);

    private static Undefined Missing(object? value, string what) => value is Undefined undefined
        ? throw new TemplateFault(undefined.Description)
        : new Undefined($"{Operators.KindOf(value)} has no {what}");

    private static bool TryItem(object? value, object? index, Budget budget, out object? item)
    {
        item = null;
        if (value is DictValue dict)
            return index is null or string or long or double or bool && dict.TryGet(index, out item);
        long? at = index switch { long number => number, bool flag => flag ? 1 : 0, _ => null };
        if (at is not { } place || value is not (string or ListValue))
            return false;
        long count = Operators.Length(value, budget);
        if (place < 0)
            place += count;
        bool inside = place >= 0 && place < count;
        if (inside)
            item = value is string text ? PythonText.Slice(text, (int)place, (int)place + 1) : ((ListValue)value).Items[(int)place];
        return inside;
    }

    private static bool TryMember(object? value, string name, Budget budget, out object? member)
    {
        member = null;
        switch (value)
        {
            case IMembers own:
                return own.TryGet(name, out member);
            case string text when TextMethods.IsKnown(name):
                member = new Callable(name, arguments => TextMethods.Call(text, name, arguments, budget));
                return true;
            case DictValue dict when name is "get" or "items" or "keys" or "values" or "copy":
                member = new Callable(name, arguments => CallDict(dict, name, arguments, budget));
                return true;
            case ListValue list when name is "index" or "count":
                member = new Callable(name, arguments => CallList(list, name, arguments, budget));
                return true;
            case DictValue when name is "pop" or "update" or "setdefault" or "clear" or "popitem":
            case ListValue { IsTuple: false } when name is "append" or "extend" or "insert" or "pop" or "remove" or "sort" or "reverse" or "clear":
                throw new TemplateFault($"'{name}' would change {Operators.KindOf(value)}, which a template must not");
            default:
                return false;
        }
    }

    private static object? CallDict(DictValue dict, string name, Arguments arguments, Budget budget)
    {
        if (name == "get")
        {
            object?[] given = arguments.Bind("get", 1, "key", "default");
            budget.Look(given[0]);
            return dict.TryGet(given[0], out object? value) ? value : given[1].IsMissing() ? null : given[1];
        }

        arguments.ExpectNone(name);
        budget.Step(dict.Count);
        return name switch
        {
            "keys" => new ListValue([.. dict.Keys]),
            "values" => new ListValue([.. dict.Values]),
            "items" => new ListValue([.. dict.Members.Select(m => new ListValue([m.Key, m.Value], isTuple: true))]),
            _ => dict,
        };
    }

    private static object CallList(ListValue list, string name, Arguments arguments, Budget budget)
    {
        object? wanted = arguments.Only(name, "value");
        if (name == "count")
            return (long)list.Items.Count(i => Operators.AreEqual(i, wanted, budget));
        for (int i = 0; i < list.Items.Count; i++)
        {
            if (Operators.AreEqual(list.Items[i], wanted, budget))
                return (long)i;
        }

        throw new TemplateFault("index looks for a value that the list does not hold");
    }
}
