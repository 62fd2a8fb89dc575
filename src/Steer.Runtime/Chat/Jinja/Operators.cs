namespace Steer.Runtime.Chat.Jinja;

/// <summary>What values are and how they compare, as in Python.</summary>
internal static class Operators
{
    /// <summary>Deepest values within values that are compared.</summary>
    private const int MaxDepth = 200;

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        long number => number != 0,
        double number => number != 0,
        string text => text.Length > 0,
        ListValue list => list.Items.Count > 0,
        DictValue dict => dict.Count > 0,
        _ => true,
    };

    /// <summary>What a value is, for messages.</summary>
    public static string KindOf(object? value) => value switch
    {
        null => "none",
        Undefined => "nothing",
        bool => "true or false",
        long or double => "a number",
        string => "a text",
        ListValue { IsTuple: true } => "a tuple",
        ListValue => "a list",
        DictValue => "a dictionary",
        NamespaceValue => "a namespace",
        LoopValue => "a loop",
        _ => "a function",
    };

    public static bool AreEqual(object? left, object? right, Budget budget, int depth = 0)
    {
        budget.Step();
        if (depth > MaxDepth)
            throw new TemplateFault("values nest too deep to compare");
        if (TryNumbers(left, right, out var numbers))
            return numbers.AreIntegers ? numbers.LeftInteger == numbers.RightInteger : numbers.Left == numbers.Right;
        switch (left, right)
        {
            case (string a, string b) when a.Length == b.Length:
                budget.Scan(a.Length);
                return string.Equals(a, b, StringComparison.Ordinal);
            case (Undefined, Undefined):
                return true;
            case (ListValue a, ListValue b):
                if (a.IsTuple != b.IsTuple || a.Items.Count != b.Items.Count)
                    return false;
                for (int i = 0; i < a.Items.Count; i++)
                {
                    if (!AreEqual(a.Items[i], b.Items[i], budget, depth + 1))
                        return false;
                }

                return true;
            case (DictValue a, DictValue b):
                return a.Count == b.Count && a.Members.All(HasEqual);

                bool HasEqual((object? Key, object? Value) member)
                {
                    budget.Look(member.Key);
                    return b.TryGet(member.Key, out object? other) && AreEqual(member.Value, other, budget, depth + 1);
                }

            default:
                return ReferenceEquals(left, right);
        }
    }

    /// <summary>Below 0 where the left comes first.</summary>
    /// <exception cref="TemplateFault">They have no order.</exception>
    public static int Compare(object? left, object? right, Budget budget, int depth = 0)
    {
        budget.Step();
        if (depth > MaxDepth)
            throw new TemplateFault("values nest too deep to compare");
        if (TryNumbers(left, right, out var numbers))
            return numbers.AreIntegers ? numbers.LeftInteger.CompareTo(numbers.RightInteger) : numbers.Left.CompareTo(numbers.Right);
        if (left is string a && right is string b)
        {
            budget.Scan(Math.Min(a.Length, b.Length));
            return string.CompareOrdinal(a, b);
        }

        if (left is ListValue x && right is ListValue y && x.IsTuple == y.IsTuple)
        {
            for (int i = 0; i < Math.Min(x.Items.Count, y.Items.Count); i++)
            {
                if (!AreEqual(x.Items[i], y.Items[i], budget, depth + 1))
                    return Compare(x.Items[i], y.Items[i], budget, depth + 1);
            }

            return x.Items.Count.CompareTo(y.Items.Count);
        }

        throw new TemplateFault(Explain(left, right, $"{KindOf(left)} and {KindOf(right)} have no order"));
    }

    public static bool Compare(string op, object? left, object? right, Budget budget)
    {
        switch (op)
        {
            case "==":
                return AreEqual(left, right, budget);
            case "!=":
                return !AreEqual(left, right, budget);
            case "in":
                return IsIn(left, right, budget);
            case "not in":
                return !IsIn(left, right, budget);
            case "<" or "<=" when HasNaN(left, right):
            case ">" or ">=" when HasNaN(left, right):
                return false;
            default:
                int order = Compare(left, right, budget);
                return op switch { "<" => order < 0, "<=" => order <= 0, ">" => order > 0, _ => order >= 0 };
        }
    }

    public static bool IsIn(object? item, object? container, Budget budget)
    {
        switch (container)
        {
            case string text:
                if (item is not string part)
                    throw new TemplateFault(Explain(item, null, $"'in' wants a text before a text and is given {KindOf(item)}"));
                budget.Search(text, part);
                return text.Contains(part, StringComparison.Ordinal);
            case DictValue dict:
                budget.Look(item);
                return item is not Undefined && dict.Has(item);
            default:
                return Items(container, budget).Any(other => AreEqual(item, other, budget));
        }
    }

    /// <summary>The items of a list or a tuple, the keys of a dictionary, the characters of a text; none of what is undefined.</summary>
    /// <exception cref="TemplateFault">The value has no items.</exception>
    public static IReadOnlyList<object?> Items(object? value, Budget budget)
    {
        switch (value)
        {
            case ListValue list:
                return list.Items;
            case DictValue dict:
                budget.Step(dict.Count);
                return [.. dict.Keys];
            case string text:
                budget.Step(1 + text.Length / 8);
                return PythonText.Characters(text);
            case Undefined:
                return [];
            default:
                throw new TemplateFault($"{KindOf(value)} has no items to go through");
        }
    }

    /// <summary>Items, characters or members.</summary>
    public static long Length(object? value, Budget budget)
    {
        budget.Look(value);
        return value switch
        {
            string text => PythonText.Length(text),
            DictValue dict => dict.Count,
            ListValue list => list.Items.Count,
            Undefined => 0,
            _ => throw new TemplateFault($"{KindOf(value)} has no length"),
        };
    }

    /// <summary>The message for an operation between values: where one is undefined, that is what is wrong.</summary>
    public static string Explain(object? left, object? right, string otherwise) =>
        (left as Undefined ?? right as Undefined)?.Description ?? otherwise;

    /// <summary>Two numbers; true and false count as 1 and 0.</summary>
    public static bool TryNumbers(object? left, object? right, out Numbers numbers)
    {
        numbers = default;
        if (!TryNumber(left, out long a, out double x) || !TryNumber(right, out long b, out double y))
            return false;
        numbers = new Numbers(left is not double && right is not double, a, b, x, y);
        return true;
    }

    private static bool TryNumber(object? value, out long integer, out double real)
    {
        integer = value switch { long number => number, true => 1, _ => 0 };
        real = value is double exact ? exact : integer;
        return value is long or double or bool;
    }

    private static bool HasNaN(object? left, object? right) => left is double.NaN || right is double.NaN;
}

/// <summary>Operands: as integers where both are, and as reals.</summary>
internal readonly record struct Numbers(bool AreIntegers, long LeftInteger, long RightInteger, double Left, double Right);
