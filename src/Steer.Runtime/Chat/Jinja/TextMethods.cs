using System.Text;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Methods of texts: those of Python's str that templates use.</summary>
internal static class TextMethods
{
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "lower", "upper", "title", "capitalize", "casefold",
        "swapcase", "replace", "find", "rfind", "index", "rindex", "count", "join", "isdigit", "isdecimal", "isnumeric", "isalpha", "isalnum",
        "isspace", "isupper", "islower", "removeprefix", "removesuffix", "partition", "rpartition", "zfill", "ljust", "rjust", "center", "format",
    };

    public static bool IsKnown(string name) => Known.Contains(name);

    /// <summary>Calls a method of a text.</summary>
    /// <exception cref="TemplateFault">The arguments are not the method's.</exception>
    public static object? Call(string text, string name, Arguments arguments, Budget budget)
    {
        budget.Text(text.Length);
        switch (name)
        {
            case "strip" or "lstrip" or "rstrip":
                return PythonText.Strip(text, arguments.Bind(name, 0, "chars")[0].Text(name), start: name != "rstrip", end: name != "lstrip");
            case "split" or "rsplit":
                return Split(text, name, arguments, budget);
            case "startswith" or "endswith":
                return StartsOrEnds(text, name, arguments);
            case "replace":
                object?[] change = arguments.Bind(name, 2, "old", "new", "count");
                return Replace(text, Needed(change[0], name), Needed(change[1], name), change[2].Integer(name, -1), budget);
            case "find" or "rfind" or "index" or "rindex":
                return Find(text, name, Needed(arguments.Only(name, "sub"), name), budget);
            case "count":
                string part = Needed(arguments.Only(name, "sub"), name);
                budget.Search(text, part);
                return part.Length == 0 ? PythonText.Length(text) + 1L : text.Split(part).Length - 1L;
            case "join":
                return Join(text, Operators.Items(arguments.Only(name, "items"), budget), budget);
            case "removeprefix":
                string prefix = Needed(arguments.Only(name, "prefix"), name);
                return text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text;
            case "removesuffix":
                string suffix = Needed(arguments.Only(name, "suffix"), name);
                return text.EndsWith(suffix, StringComparison.Ordinal) ? text[..^suffix.Length] : text;
            case "partition" or "rpartition":
                return Partition(text, Needed(arguments.Only(name, "sep"), name), last: name == "rpartition", budget);
            case "zfill" or "ljust" or "rjust" or "center":
                return Pad(text, name, arguments, budget);
            case "format":
                return TextFormat.Braces(text, arguments, budget);
            default:
                arguments.ExpectNone(name);
                return Plain(text, name);
        }
    }

    /// <summary>Texts with another between them.</summary>
    /// <exception cref="TemplateFault">An item is no text.</exception>
    public static string Join(string separator, IReadOnlyList<object?> items, Budget budget)
    {
        string[] texts =
            [.. items.Select(i => i as string ?? throw new TemplateFault($"join wants texts and is given {Operators.KindOf(i)}"))];
        budget.Text(texts.Sum(t => (long)t.Length) + ((long)separator.Length * texts.Length));
        return string.Join(separator, texts);
    }

    /// <summary>Replaces a part of a text wherever it stands, or the first <paramref name="most"/> times; a negative number for all.</summary>
    public static string Replace(string text, string part, string by, long most, Budget budget)
    {
        if (part.Length == 0)
            return ReplaceEmpty(text, by, most, budget);
        budget.Search(text, part);
        var result = new StringBuilder();
        int at = 0;
        for (long done = 0; done != most; done++)
        {
            int found = text.IndexOf(part, at, StringComparison.Ordinal);
            if (found < 0)
                break;
            result.Append(text, at, found - at).Append(by);
            at = found + part.Length;
            Budget.Bound(result.Length);
        }

        return at == 0 ? text : budget.Made(result.Append(text, at, text.Length - at).ToString());
    }

    private static string ReplaceEmpty(string text, string by, long most, Budget budget)
    {
        string[] characters = PythonText.Characters(text);
        long times = most < 0 ? characters.Length + 1L : Math.Min(most, characters.Length + 1L);
        budget.Text(text.Length + (times * by.Length));
        var result = new StringBuilder();
        for (int i = 0; i <= characters.Length; i++)
            result.Append(i < times ? by : "").Append(i < characters.Length ? characters[i] : "");
        return result.ToString();
    }

    private static object? Plain(string text, string name) => name switch
    {
        "lower" or "casefold" => text.ToLowerInvariant(),
        "upper" => text.ToUpperInvariant(),
        "title" => PythonText.Title(text),
        "capitalize" => PythonText.Capitalize(text),
        "swapcase" => string.Concat(text.Select(c => char.IsUpper(c) ? char.ToLowerInvariant(c) : char.ToUpperInvariant(c))),
        "splitlines" => Lines(text),
        "isdigit" or "isdecimal" or "isnumeric" => text.Length > 0 && text.All(char.IsDigit),
        "isalpha" => text.Length > 0 && text.All(char.IsLetter),
        "isalnum" => text.Length > 0 && text.All(char.IsLetterOrDigit),
        "isspace" => text.Length > 0 && PythonText.IsSpace(text),
        "isupper" => text.Any(char.IsUpper) && !text.Any(char.IsLower),
        _ => text.Any(char.IsLower) && !text.Any(char.IsUpper),
    };

    private static ListValue Lines(string text)
    {
        const string ends = "\n\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029";
        string[] lines = text.Replace("\r\n", "\n", StringComparison.Ordinal).Split(ends.ToCharArray());
        return new ListValue([.. lines[^1].Length == 0 ? lines[..^1] : lines]);
    }

    private static ListValue Split(string text, string name, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind(name, 0, "sep", "maxsplit");
        long most = given[1].Integer(name, -1);
        List<string> parts;
        if (given[0].Text(name) is not { } separator)
        {
            if (name == "rsplit" && most >= 0)
                throw new TemplateFault("rsplit with a number and without a separator is not supported");
            parts = PythonText.SplitAtSpace(text, most);
        }
        else if (separator.Length == 0)
        {
            throw new TemplateFault($"the separator of {name} is empty");
        }
        else
        {
            budget.Search(text, separator);
            parts = [.. text.Split(separator)];
            if (most >= 0 && parts.Count > most + 1)
            {
                parts = name == "split"
                    ? [.. parts[..(int)most], string.Join(separator, parts[(int)most..])]
                    : [string.Join(separator, parts[..^(int)most]), .. parts[^(int)most..]];
            }
        }

        budget.Step(parts.Count);
        return new ListValue(parts);
    }

    private static bool StartsOrEnds(string text, string name, Arguments arguments)
    {
        object? wanted = arguments.Only(name, "prefix");
        return (wanted is ListValue { IsTuple: true } several ? several.Items : [wanted]).Any(
            w => name == "startswith"
                ? text.StartsWith(Needed(w, name), StringComparison.Ordinal)
                : text.EndsWith(Needed(w, name), StringComparison.Ordinal));
    }

    private static long Find(string text, string name, string part, Budget budget)
    {
        budget.Search(text, part);
        int at = name[0] == 'r' ? text.LastIndexOf(part, StringComparison.Ordinal) : text.IndexOf(part, StringComparison.Ordinal);
        if (at < 0)
            return name.EndsWith("index", StringComparison.Ordinal) ? throw new TemplateFault($"{name} looks for a text that is not there") : -1;
        return PythonText.Length(text[..at]);
    }

    private static ListValue Partition(string text, string separator, bool last, Budget budget)
    {
        budget.Search(text, separator);
        int at = separator.Length == 0 ? throw new TemplateFault("the separator of partition is empty")
            : last ? text.LastIndexOf(separator, StringComparison.Ordinal) : text.IndexOf(separator, StringComparison.Ordinal);
        string[] parts = at >= 0 ? [text[..at], separator, text[(at + separator.Length)..]] : last ? ["", "", text] : [text, "", ""];
        return new ListValue(parts, isTuple: true);
    }

    private static string Pad(string text, string name, Arguments arguments, Budget budget)
    {
        object?[] given = arguments.Bind(name, 1, "width", "fillchar");
        long missing = Math.Clamp(given[0].Integer(name, 0), 0, int.MaxValue) - PythonText.Length(text);
        string fill = given[1].Text(name) ?? (name == "zfill" ? "0" : " ");
        if (missing <= 0 || fill.Length != 1)
            return missing <= 0 ? text : throw new TemplateFault($"{name} fills with one character");
        budget.Text(text.Length + missing);
        int sign = name == "zfill" && text is ['+' or '-', ..] ? 1 : 0;
        long before = name switch { "ljust" => 0, "center" => (missing / 2) + (missing & (missing + PythonText.Length(text)) & 1), _ => missing };
        return text[..sign] + new string(fill[0], (int)before) + text[sign..] + new string(fill[0], (int)(missing - before));
    }

    private static string Needed(object? value, string name) =>
        value.Text(name) ?? throw new TemplateFault(Operators.Explain(value, null, $"{name} wants a text and is given {Operators.KindOf(value)}"));
}
