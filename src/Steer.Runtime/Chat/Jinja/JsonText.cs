using System.Globalization;
using System.Text;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>tojson as transformers has it: Python's json.dumps, without the escapes for HTML of Jinja's own.</summary>
internal sealed class JsonText
{
    private const int MaxDepth = 200;

    private readonly StringBuilder _result = new();
    private readonly Budget _budget;
    private readonly bool _ascii;
    private readonly bool _sorted;
    private readonly string? _indent;
    private readonly string _itemSeparator;
    private readonly string _keySeparator;

    private JsonText(object?[] options, Budget budget)
    {
        const string name = "tojson";
        _budget = budget;
        _ascii = options[0].Flag(ifMissing: false);
        _indent = options[1] switch
        {
            string text => text,
            long count => new string(' ', (int)Math.Clamp(count, 0, 100)),
            _ => options[1].Text(name),
        };
        _itemSeparator = _indent is null ? ", " : ",";
        _keySeparator = ": ";
        if (options[2] is ListValue { Items: [string item, string key] })
            (_itemSeparator, _keySeparator) = (item, key);
        else if (options[2] is not null && !options[2].IsMissing())
            throw new TemplateFault("separators of tojson are not a pair of texts");
        _sorted = options[3].Flag(ifMissing: false);
    }

    /// <summary>A value as JSON.</summary>
    /// <exception cref="TemplateFault">It has no form in JSON.</exception>
    public static string Write(object? value, Arguments arguments, Budget budget)
    {
        var writer = new JsonText(arguments.Bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys"), budget);
        writer.Append(value, 0);
        return budget.Made(writer._result.ToString());
    }

    private void Append(object? value, int depth)
    {
        _budget.Step();
        if (depth > MaxDepth)
            throw new TemplateFault("values nest too deep for JSON");
        Budget.Bound(_result.Length);
        switch (value)
        {
            case null or bool or long or double:
                _result.Append(Scalar(value));
                break;
            case string text:
                Quote(text);
                break;
            case ListValue list:
                Open('[', list.Items.Count);
                for (int i = 0; i < list.Items.Count; i++)
                {
                    Next(i, depth);
                    Append(list.Items[i], depth + 1);
                }

                Close(']', list.Items.Count, depth);
                break;
            case DictValue dict:
                Open('{', dict.Count);
                var members = _sorted ? ListFilters.Ordered(dict.Members, m => m.Key, reverse: false, _budget) : dict.Members;
                int at = 0;
                foreach (var (key, member) in members)
                {
                    Next(at++, depth);
                    Quote(key as string ?? Scalar(key));
                    _result.Append(_keySeparator);
                    Append(member, depth + 1);
                }

                Close('}', dict.Count, depth);
                break;
            default:
                throw new TemplateFault(Operators.Explain(value, null, $"{Operators.KindOf(value)} has no form in JSON"));
        }
    }

    private void Open(char bracket, int count)
    {
        _result.Append(bracket);
        _budget.Step(count);
    }

    private void Next(int item, int depth)
    {
        _result.Append(item > 0 ? _itemSeparator : "");
        Break(depth + 1);
    }

    private void Close(char bracket, int count, int depth)
    {
        if (count > 0)
            Break(depth);
        _result.Append(bracket);
    }

    private void Break(int depth)
    {
        if (_indent is null)
            return;
        Budget.Bound(_result.Length + ((long)depth * _indent.Length));
        _result.Append('\n').Insert(_result.Length, _indent, depth);
    }

    private static string Scalar(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        long number => number.ToString(CultureInfo.InvariantCulture),
        double.NaN => "NaN",
        double.PositiveInfinity => "Infinity",
        double.NegativeInfinity => "-Infinity",
        double number => TextFormat.Real(number),
        _ => throw new TemplateFault($"{Operators.KindOf(value)} cannot be a name in JSON"),
    };

    private void Quote(string text)
    {
        _result.Append('"');
        foreach (char c in text)
        {
            if (c is '"' or '\\')
                _result.Append('\\').Append(c);
            else if (c < ' ')
                _result.Append("\b\t\n\f\r".IndexOf(c) is >= 0 and var known ? $"\\{"btnfr"[known]}" : $"\\u{(int)c:x4}");
            else if (_ascii && c > '~')
                _result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else
                _result.Append(c);
        }

        _result.Append('"');
    }
}
