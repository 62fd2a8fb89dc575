using System.Diagnostics.CodeAnalysis;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>
/// A name or a member that is not there: false, empty, and an error where more is asked of it. Other values are null for none, bool, long, double,
/// string, and the types of this file.
/// </summary>
/// <param name="Description">What is missing, in words.</param>
internal sealed record Undefined(string Description);

/// <summary>A list or a tuple; nothing in a template changes one.</summary>
internal sealed class ListValue(IReadOnlyList<object?> items, bool isTuple = false)
{
    public IReadOnlyList<object?> Items { get; } = items;

    public bool IsTuple { get; } = isTuple;
}

/// <summary>A dictionary, in the order in which its members were added; nothing in a template changes one.</summary>
internal sealed class DictValue
{
    private readonly OrderedDictionary<object, object?> _members = new(KeyComparer.Instance);

    /// <summary>None as a key.</summary>
    private static readonly object NoneKey = new();

    public int Count => _members.Count;

    public IEnumerable<object?> Keys => _members.Keys.Select(Out);

    public IEnumerable<object?> Values => _members.Values;

    public IEnumerable<(object? Key, object? Value)> Members => _members.Select(m => (Out(m.Key), m.Value));

    /// <summary>Adds or replaces a member while the dictionary is made.</summary>
    public object? this[object? key]
    {
        set => _members[In(key)] = value;
    }

    public bool TryGet(object? key, out object? value) => _members.TryGetValue(In(key), out value);

    public bool Has(object? key) => _members.ContainsKey(In(key));

    private static object In(object? key) => key switch
    {
        null => NoneKey,
        string or long or double or bool => key,
        _ => throw new TemplateFault($"{Operators.KindOf(key)} cannot be a key of a dictionary"),
    };

    private static object? Out(object key) => ReferenceEquals(key, NoneKey) ? null : key;

    /// <summary>1, 1.0 and true are the same key.</summary>
    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static KeyComparer Instance { get; } = new();

        public new bool Equals(object? left, object? right) => Plain(left).Equals(Plain(right));

        public int GetHashCode([DisallowNull] object key) => Plain(key).GetHashCode();

        private static object Plain(object? key) => key switch
        {
            bool flag => flag ? 1L : 0L,
            double number when number == Math.Floor(number) && Math.Abs(number) < 1e15 => (long)number,
            _ => key!,
        };
    }
}

/// <summary>A value with members of its own.</summary>
internal interface IMembers
{
    /// <summary>A member; false where there is none.</summary>
    bool TryGet(string name, out object? value);
}

/// <summary>namespace(): what blocks within loops may assign to.</summary>
internal sealed class NamespaceValue : IMembers
{
    private readonly Dictionary<string, object?> _members = new(StringComparer.Ordinal);

    public bool TryGet(string name, out object? value) => _members.TryGetValue(name, out value);

    public void Set(string name, object? value) => _members[name] = value;
}

/// <summary>A function, a method or a macro.</summary>
/// <param name="name">For messages.</param>
/// <param name="invoke">What it does.</param>
internal sealed class Callable(string name, Func<Arguments, object?> invoke)
{
    public string Name => name;

    public object? Invoke(Arguments arguments) => invoke(arguments);
}

/// <summary>loop within a for.</summary>
internal sealed class LoopValue(IReadOnlyList<object?> items, Budget budget) : IMembers
{
    private object? _last;
    private bool _hasLast;

    /// <summary>Which item it is, from 0.</summary>
    public int Index { get; set; }

    public bool TryGet(string name, out object? value)
    {
        bool known = true;
        value = name switch
        {
            "index" => (long)Index + 1,
            "index0" => (long)Index,
            "revindex" => (long)items.Count - Index,
            "revindex0" => (long)items.Count - Index - 1,
            "first" => Index == 0,
            "last" => Index == items.Count - 1,
            "length" => (long)items.Count,
            "depth" => 1L,
            "depth0" => 0L,
            "previtem" => Index > 0 ? items[Index - 1] : new Undefined("there is no previous item"),
            "nextitem" => Index + 1 < items.Count ? items[Index + 1] : new Undefined("there is no next item"),
            "cycle" => new Callable("cycle", Cycle),
            "changed" => new Callable("changed", Changed),
            _ => known = false,
        };
        return known;
    }

    private object? Cycle(Arguments arguments) => arguments.Positional.Count > 0
        ? arguments.Positional[Index % arguments.Positional.Count]
        : throw new TemplateFault("cycle wants values");

    private object? Changed(Arguments arguments)
    {
        var value = new ListValue(arguments.Positional, isTuple: true);
        bool changed = !_hasLast || !Operators.AreEqual(_last, value, budget);
        (_last, _hasLast) = (value, true);
        return changed;
    }
}
