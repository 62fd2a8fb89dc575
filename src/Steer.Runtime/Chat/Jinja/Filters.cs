using System.Globalization;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Filters of texts and numbers, and the list of all: Jinja's own that chat templates use, and tojson of transformers.</summary>
internal static class Filters
{
    private delegate object? Filter(object? value, Arguments arguments, Budget budget);

    private static readonly Dictionary<string, Filter> All = new(StringComparer.Ordinal)
    {
        ["abs"] = Abs,
        ["capitalize"] = (value, arguments, budget) => Plain(value, arguments, budget, PythonText.Capitalize),
        ["count"] = Length,
        ["d"] = Default,
        ["default"] = Default,
        ["dictsort"] = ListFilters.SortDict,
        ["e"] = Escape,
        ["escape"] = Escape,
        ["first"] = (value, arguments, budget) => ListFilters.End(value, arguments, budget, last: false),
        ["float"] = Float,
        ["format"] = (value, arguments, budget) =>
            TextFormat.Percent(TextFormat.Str(value, budget), new ListValue(arguments.Positional, isTuple: true), budget),
        ["indent"] = Indent,
        ["int"] = Int,
        ["items"] = ListFilters.Pairs,
        ["join"] = ListFilters.Join,
        ["last"] = (value, arguments, budget) => ListFilters.End(value, arguments, budget, last: true),
        ["length"] = Length,
        ["list"] = ListFilters.List,
        ["lower"] = (value, arguments, budget) => Plain(value, arguments, budget, text => text.ToLowerInvariant()),
        ["map"] = ListFilters.Map,
        ["max"] = (value, arguments, budget) => ListFilters.Extreme("max", value, arguments, budget),
        ["min"] = (value, arguments, budget) => ListFilters.Extreme("min", value, arguments, budget),
        ["reject"] = (value, arguments, budget) => ListFilters.Select("reject", value, arguments, budget),
        ["rejectattr"] = (value, arguments, budget) => ListFilters.Select("rejectattr", value, arguments, budget),
        ["replace"] = Replace,
        ["reverse"] = ListFilters.Reverse,
        ["round"] = Round,
        ["safe"] = (value, arguments, budget) => Plain(value, arguments, budget, text => text),
        ["select"] = (value, arguments, budget) => ListFilters.Select("select", value, arguments, budget),
        ["selectattr"] = (value, arguments, budget) => ListFilters.Select("selectattr", value, arguments, budget),
        ["sort"] = ListFilters.Sort,
        ["string"] = (value, arguments, budget) => Plain(value, arguments, budget, text => text),
        ["sum"] = ListFilters.Sum,
        ["title"] = (value, arguments, budget) => Plain(value, arguments, budget, Title),
        ["tojson"] = JsonText.Write,
        ["trim"] = (value, arguments, budget) =>
            PythonText.Strip(Text(value, budget), arguments.Bind("trim", 0, "chars")[0].Text("trim"), start: true, end: true),
        ["unique"] = ListFilters.Unique,
        ["upper"] = (value, arguments, budget) => Plain(value, arguments, budget, text => text.ToUpperInvariant()),
        ["wordcount"] = (value, arguments, budget) => (long)PythonText.SplitAtSpace(Text(value, budget), -1).Count,
    };

    public static bool IsKnown(string name) => All.ContainsKey(name);

    /// <summary>A value filtered.</summary>
    /// <exception cref="TemplateFault">There is no such filter, or it does not go with the value or the arguments.</exception>
    public static object? Apply(string name, object? value, Arguments arguments, Budget budget)
    {
        if (!All.TryGetValue(name, out var filter))
            throw new TemplateFault($"there is no filter '{name}'");

        // map applies a filter, which may be map again.
        budget.Enter();
        try
        {
            return filter(value, arguments, budget);
        }
        finally
        {
            budget.Leave();
        }
    }

    private static string Text(object? value, Budget budget) => budget.Made(TextFormat.Str(value, budget));

    private static string Plain(object? value, Arguments arguments, Budget budget, Func<string, string> change)
    {
        arguments.ExpectNone("the filter");
        return change(Text(value, budget));
    }

    private static object? Default(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("default", 0, "default_value", "boolean");
        bool replaces = value is Undefined || (given[1].Flag(ifMissing: false) && !Operators.IsTrue(value));
        return !replaces ? value : given[0].IsMissing() ? "" : given[0];
    }

    private static object? Length(object? value, Arguments arguments, Budget budget)
    {
        arguments.ExpectNone("length");
        return Operators.Length(value, budget);
    }

    private static object Abs(object? value, Arguments arguments, Budget budget)
    {
        arguments.ExpectNone("abs");
        return Operators.TryNumbers(value, 0L, out var n) && n.Left < 0 ? Arithmetic.Negate("-", value) : Arithmetic.Negate("+", value);
    }

    private static string Escape(object? value, Arguments arguments, Budget budget) => budget.Made(Plain(value, arguments, budget, text => text
        .Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal).Replace(">", "&gt;", StringComparison.Ordinal)
        .Replace("'", "&#39;", StringComparison.Ordinal).Replace("\"", "&#34;", StringComparison.Ordinal)));

    private static string Replace(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("replace", 2, "old", "new", "count");
        long most = given[2] is null ? -1 : given[2].Integer("replace", -1);
        return TextMethods.Replace(Text(value, budget), Text(given[0], budget), Text(given[1], budget), most, budget);
    }

    /// <summary>Each word's first letter a capital, the others small; words begin after blanks, hyphens and opening brackets.</summary>
    private static string Title(string text)
    {
        char[] result = text.ToCharArray();
        bool starts = true;
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = starts ? char.ToUpperInvariant(result[i]) : char.ToLowerInvariant(result[i]);
            starts = PythonText.IsSpace(result[i]) || result[i] is '-' or '(' or '{' or '[' or '<';
        }

        return new string(result);
    }

    private static string Indent(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("indent", 0, "width", "first", "blank");
        string indent = given[0] is string text ? text : new string(' ', (int)Math.Clamp(given[0].Integer("indent", 4), 0, 1000));
        var (first, blank) = (given[1].Flag(ifMissing: false), given[2].Flag(ifMissing: false));
        string[] lines = Text(value, budget).Split('\n');
        budget.Text(lines.Sum(l => (long)l.Length + 1 + indent.Length));
        return string.Join('\n', lines.Select((line, i) => (i == 0 ? first : blank || line.Length > 0) ? indent + line : line));
    }

    private static object? Int(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("int", 0, "default", "base");
        object? otherwise = given[0].IsMissing() ? 0L : given[0];
        if (given[1].Integer("int", 10) != 10)
            throw new TemplateFault("int with a base is not supported");
        if (value is string text && long.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long whole))
            return whole;
        if (value is string real)
            value = double.TryParse(real.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed : null;
        return value switch
        {
            long number => (object)number,
            bool flag => flag ? 1L : 0L,
            double number when Math.Abs(number) < 9e18 => (long)number,
            _ => otherwise,
        };
    }

    private static object? Float(object? value, Arguments arguments, Budget budget)
    {
        object? otherwise = arguments.Bind("float", 0, "default")[0];
        if (Operators.TryNumbers(value, 0L, out var number))
            return number.Left;
        return value is string text && double.TryParse(text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed
            : otherwise.IsMissing() ? 0.0 : otherwise;
    }

    private static object Round(object? value, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind("round", 0, "precision", "method");
        int digits = (int)Math.Clamp(given[0].Integer("round", 0), 0, 15);
        string method = given[1].Text("round") ?? "common";
        if (!Operators.TryNumbers(value, 0L, out var n))
            throw new TemplateFault(Operators.Explain(value, null, $"round wants a number and is given {Operators.KindOf(value)}"));
        double scale = Math.Pow(10, digits);
        return method switch
        {
            "common" when n.AreIntegers => (object)n.LeftInteger,
            "common" => (object)Math.Round(n.Left, digits, MidpointRounding.ToEven),
            "ceil" => (object)(Math.Ceiling(n.Left * scale) / scale),
            "floor" => (object)(Math.Floor(n.Left * scale) / scale),
            _ => throw new TemplateFault("round is common, ceil or floor"),
        };
    }
}
