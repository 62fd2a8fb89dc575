namespace Steer.Runtime.Chat.Jinja;

/// <summary>Values that a function, a filter or a test is given.</summary>
/// <param name="Positional">In order.</param>
/// <param name="Named">By name.</param>
internal sealed record Arguments(IReadOnlyList<object?> Positional, IReadOnlyList<KeyValuePair<string, object?>> Named)
{
    public static Arguments None { get; } = new([], []);

    /// <summary>Stands for what was not given.</summary>
    public static object Missing { get; } = new();

    /// <summary>The values of parameters, in their order; <see cref="Missing"/> for those not given.</summary>
    /// <param name="function">For messages.</param>
    /// <param name="required">How many must be given, the first ones.</param>
    /// <param name="names">Names of the parameters.</param>
    /// <exception cref="TemplateFault">Too many, too few, or a name that is no parameter's.</exception>
    public object?[] Bind(string function, int required, params ReadOnlySpan<string> names)
    {
        if (Positional.Count > names.Length)
            throw new TemplateFault($"{function} takes at most {names.Length} arguments and is given {Positional.Count}");
        var values = new object?[names.Length];
        Array.Fill(values, Missing);
        for (int i = 0; i < Positional.Count; i++)
            values[i] = Positional[i];
        foreach (var (name, value) in Named)
        {
            int at = names.IndexOf(name);
            if (at < 0 || at < Positional.Count)
                throw new TemplateFault($"{function} {(at < 0 ? "has no parameter" : "is given twice")} '{name}'");
            values[at] = value;
        }

        for (int i = 0; i < required; i++)
        {
            if (ReferenceEquals(values[i], Missing))
                throw new TemplateFault($"{function} wants an argument '{names[i]}'");
        }

        return values;
    }

    /// <summary>The only argument.</summary>
    public object? Only(string function, string name) => Bind(function, 1, name)[0];

    /// <summary>Refuses any.</summary>
    public void ExpectNone(string function) => Bind(function, 0);
}

/// <summary>Arguments as what they should be.</summary>
internal static class ArgumentValues
{
    public static bool IsMissing(this object? value) => ReferenceEquals(value, Arguments.Missing);

    public static bool Flag(this object? value, bool ifMissing) => value.IsMissing() ? ifMissing : Operators.IsTrue(value);

    public static long Integer(this object? value, string function, long ifMissing) => value.IsMissing() ? ifMissing : value switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        _ => throw new TemplateFault($"{function} wants a whole number and is given {Operators.KindOf(value)}"),
    };

    /// <summary>A text; null where it is missing or none.</summary>
    public static string? Text(this object? value, string function) => value is null || value.IsMissing() ? null : value as string
        ?? throw new TemplateFault($"{function} wants a text and is given {Operators.KindOf(value)}");
}
