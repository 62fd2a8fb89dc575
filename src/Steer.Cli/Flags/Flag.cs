using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Steer.Runtime;

namespace Steer.Cli.Flags;

/// <summary>Makes options whose errors say what to give instead. A flag that is not given is null.</summary>
internal static class Flag
{
    public static Option<bool> Switch(string name, string description) => new(name) { Description = description, Arity = ArgumentArity.Zero };

    public static Option<string?> Text(string name, string valueName, string description) =>
        new(name) { Description = description, HelpName = valueName };

    /// <summary>A file or a folder. An empty path, which an unset variable of a shell leaves, is refused.</summary>
    public static Option<string?> Path(string name, string valueName, string description)
    {
        var option = Text(name, valueName, description);
        option.Validators.Add(result => RefuseEmpty(result, result.Tokens, name));
        return option;
    }

    /// <summary>The same for an argument, which <paramref name="argument"/> describes.</summary>
    public static Argument<T> Path<T>(Argument<T> argument)
    {
        argument.Validators.Add(result => RefuseEmpty(result, result.Tokens, argument.Name));
        return argument;
    }

    /// <summary>May be given several times.</summary>
    public static Option<string[]?> Texts(string name, string valueName, string description) =>
        new(name) { Description = description, HelpName = valueName, Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false };

    public static Option<float?> Number(string name, string valueName, string description) => Value(
        name, valueName, description, "a number, such as 0.3", text => TryFloat(text, out float value) ? value : (float?)null);

    /// <summary>A number above 0, or a word that stands for another.</summary>
    public static Option<float?> NumberOr(string name, string word, float wordValue, string description) => Value(
        name, word + "|X", description, $"{word}, or a number above 0",
        text => text == word ? wordValue : TryFloat(text, out float value) && value > 0 ? value : (float?)null);

    public static Option<int?> Integer(string name, string valueName, string description) => Value(
        name, valueName, description, "a whole number of at most 2147483647", text => TryInt(text, out int value) ? value : (int?)null);

    public static Option<ulong?> Unsigned(string name, string valueName, string description) => Value(
        name, valueName, description, "a whole number from 0 to 18446744073709551615",
        text => ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong value) ? value : (ulong?)null);

    public static Option<long?> Bytes(string name, string valueName, string description) => Value(
        name, valueName, description, "a size such as 512MB, 4GB or 1GiB", ByteSize.Parse);

    /// <summary>One of a few names. T is not bool: the parser takes nothing but true and false for one.</summary>
    public static Option<T?> Choice<T>(string name, string description, params (string Name, T Value)[] choices)
        where T : struct
    {
        string names = string.Join(", ", choices.Select(c => c.Name));
        string value = string.Join('|', choices.Select(c => c.Name));
        var option = Value(name, value, description, "one of " + names, text =>
        {
            foreach (var choice in choices)
            {
                if (string.Equals(choice.Name, text, StringComparison.OrdinalIgnoreCase))
                    return choice.Value;
            }

            return (T?)null;
        });

        // In place of the members of the type, which have other names.
        option.CompletionSources.Clear();
        option.CompletionSources.Add([.. choices.Select(c => c.Name)]);
        return option;
    }

    /// <summary>Token ids, with commas or spaces between them.</summary>
    public static Option<int[]?> Ids(string name, string description) =>
        Parsed(name, "1,2,3", description, "token ids with commas between them, such as 1,2,3", TokenIds.Parse);

    /// <summary>Numbers with commas between them, or a range.</summary>
    public static Option<float[]?> Numbers(string name, string description) => Parsed(
        name, "LIST|RANGE", description,
        $"numbers such as 0,0.3,0.6, or a range (from:to:step) such as 0:0.6:0.2, of at most {NumberList.MaxValues} values", NumberList.Parse);

    /// <summary>The folder that a command writes to, which has no default.</summary>
    /// <exception cref="SteerException">It was not given.</exception>
    public static string RequiredFolder(this ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) ?? throw new SteerException($"There is no folder to write to: give {option.Name} {option.HelpName}.");

    /// <summary>What was given; null for nothing, where the parser itself gives an empty array.</summary>
    public static T[]? Given<T>(this ParseResult parsed, Option<T[]?> option) => parsed.GetValue(option) is { Length: > 0 } values ? values : null;

    /// <summary>A value of its own kind; <paramref name="parse"/> gives null for what it cannot read.</summary>
    public static Option<T?> Parsed<T>(string name, string valueName, string description, string wanted, Func<string, T?> parse)
        where T : class => new(name)
        {
            Description = description,
            HelpName = valueName,
            Arity = ArgumentArity.ExactlyOne,
            CustomParser = result => parse(Single(result)) ?? Refuse<T?>(result, name, wanted),
        };

    public static bool TryFloat(string text, out float value) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value);

    public static bool TryInt(string text, out int value) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);

    private static Option<T?> Value<T>(string name, string valueName, string description, string wanted, Func<string, T?> parse)
        where T : struct => new(name)
        {
            Description = description,
            HelpName = valueName,
            Arity = ArgumentArity.ExactlyOne,
            CustomParser = result => parse(Single(result)) ?? Refuse<T?>(result, name, wanted),
        };

    private static void RefuseEmpty(SymbolResult result, IReadOnlyList<Token> tokens, string name)
    {
        if (tokens.Any(t => t.Value.Length == 0))
            result.AddError($"{name} is empty: give a path.");
    }

    private static string Single(ArgumentResult result) => result.Tokens[0].Value;

    private static T Refuse<T>(ArgumentResult result, string name, string wanted)
    {
        result.AddError($"{name} is '{Single(result)}': give {wanted}.");
        return default!;
    }
}
