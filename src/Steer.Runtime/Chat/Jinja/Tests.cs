namespace Steer.Runtime.Chat.Jinja;

/// <summary>What stands after `is`, and in select, reject and their like.</summary>
internal static class Tests
{
    /// <summary>Whether a value passes a test.</summary>
    /// <exception cref="TemplateFault">There is no such test, or its arguments are not its own.</exception>
    public static bool Holds(string name, object? value, Arguments arguments, Budget budget)
    {
        switch (name)
        {
            case "eq" or "equalto" or "==":
                return Operators.AreEqual(value, arguments.Only(name, "other"), budget);
            case "ne" or "!=":
                return !Operators.AreEqual(value, arguments.Only(name, "other"), budget);
            case "lt" or "lessthan" or "<":
                return Operators.Compare("<", value, arguments.Only(name, "other"), budget);
            case "le" or "<=":
                return Operators.Compare("<=", value, arguments.Only(name, "other"), budget);
            case "gt" or "greaterthan" or ">":
                return Operators.Compare(">", value, arguments.Only(name, "other"), budget);
            case "ge" or ">=":
                return Operators.Compare(">=", value, arguments.Only(name, "other"), budget);
            case "in":
                return Operators.IsIn(value, arguments.Only(name, "seq"), budget);
            case "sameas":
                object? other = arguments.Only(name, "other");
                return value is bool or null || other is bool or null ? Equals(value, other)
                    : ReferenceEquals(value, other) || (value is string or long && Equals(value, other));
            case "divisibleby":
                return Arithmetic.Apply("%", value, arguments.Only(name, "num"), budget) is 0L or 0.0;
        }

        if (name is "lower" or "upper")
            budget.Look(value);
        bool holds = Plain(name, value);
        arguments.ExpectNone(name);
        return holds;
    }

    private static bool Plain(string name, object? value) => name switch
    {
        "defined" => value is not Undefined,
        "undefined" => value is Undefined,
        "none" => value is null,
        "true" => value is true,
        "false" => value is false,
        "boolean" => value is bool,
        "string" => value is string,
        "number" => value is long or double or bool,
        "integer" => value is long,
        "float" => value is double,
        "mapping" => value is DictValue,
        "sequence" or "iterable" => value is ListValue or DictValue or string or Undefined,
        "callable" => value is Callable,
        "lower" => value is string text && text.Any(char.IsLower) && !text.Any(char.IsUpper),
        "upper" => value is string text && text.Any(char.IsUpper) && !text.Any(char.IsLower),
        "odd" => IsRemainder(value, 1),
        "even" => IsRemainder(value, 0),
        "filter" => value is string filter && Filters.IsKnown(filter),
        _ => throw new TemplateFault($"there is no test '{name}'"),
    };

    private static bool IsRemainder(object? value, long wanted) => Operators.TryNumbers(value, 0L, out var n)
        ? (n.AreIntegers ? n.LeftInteger & 1 : n.Left - (2 * Math.Floor(n.Left / 2))) == wanted
        : throw new TemplateFault(Operators.Explain(value, null, $"{Operators.KindOf(value)} is neither odd nor even"));
}
