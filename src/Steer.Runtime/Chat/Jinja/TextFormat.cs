using System.Globalization;
using System.Text;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>Values as text, as Python's str(), repr() and formatting give them.</summary>
internal static class TextFormat
{
    /// <summary>Deepest values within values that are written.</summary>
    private const int MaxDepth = 200;

    /// <summary>str(): what a template writes. Nothing for what is undefined.</summary>
    public static string Str(object? value, Budget budget) => value switch
    {
        string text => text,
        Undefined => "",
        _ => Repr(value, budget),
    };

    /// <summary>repr(): texts in quotes.</summary>
    public static string Repr(object? value, Budget budget)
    {
        var result = new StringBuilder();
        Repr(value, result, budget, 0);
        return budget.Made(result.ToString());
    }

    /// <summary>A real number in the shortest form that reads back; with an exponent below 1e-4 and from 1e16 on, as Python has it.</summary>
    public static string Real(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        string shortest = value.ToString("R", CultureInfo.InvariantCulture).TrimStart('-');
        int e = shortest.IndexOf('E', StringComparison.Ordinal);
        int exponent = e < 0 ? 0 : int.Parse(shortest.AsSpan(e + 1), CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? shortest : shortest[..e];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        string digits = mantissa.Replace(".", "", StringComparison.Ordinal);

        // 0.digits times ten to the power of place.
        int zeros = digits.Length - digits.TrimStart('0').Length;
        int place = (point < 0 ? digits.Length : point) + exponent - zeros;
        digits = digits.Trim('0');
        string sign = double.IsNegative(value) ? "-" : "";
        if (digits.Length == 0)
            return sign + "0.0";
        if (place is <= -4 or > 16)
            return $"{sign}{digits[0]}{(digits.Length > 1 ? "." : "")}{digits[1..]}e{(place > 0 ? '+' : '-')}{Math.Abs(place - 1):00}";
        if (place <= 0)
            return $"{sign}0.{new string('0', -place)}{digits}";
        return digits.Length > place ? $"{sign}{digits[..place]}.{digits[place..]}" : $"{sign}{digits.PadRight(place, '0')}.0";
    }

    /// <summary>format % values: %s, %r, %d, %i, %f with a precision, and %%.</summary>
    /// <exception cref="TemplateFault">Another conversion, or values that do not fit.</exception>
    public static string Percent(string format, object? values, Budget budget)
    {
        var given = values is ListValue { IsTuple: true } tuple ? tuple.Items : [values];
        var result = new StringBuilder();
        int used = 0;
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%')
            {
                result.Append(format[i]);
                continue;
            }

            int start = ++i;
            while (i < format.Length && (char.IsAsciiDigit(format[i]) || format[i] == '.'))
                i++;
            if (i == format.Length)
                throw new TemplateFault("a format ends in the middle of a conversion");
            if (format[i] == '%' && i == start)
            {
                result.Append('%');
                continue;
            }

            if (used == given.Count)
                throw new TemplateFault("a format has more conversions than values");
            result.Append(Convert(format[start..i], format[i], given[used++], budget));
            Budget.Bound(result.Length);
        }

        if (used < given.Count && values is not DictValue)
            throw new TemplateFault("a format has fewer conversions than values");
        return budget.Made(result.ToString());
    }

    /// <summary>format.format(...): {}, {0} and {name}, and doubled braces.</summary>
    /// <exception cref="TemplateFault">A field with a format of its own, or without a value.</exception>
    public static string Braces(string format, Arguments arguments, Budget budget)
    {
        var result = new StringBuilder();
        int next = 0;
        for (int i = 0; i < format.Length; i++)
        {
            char c = format[i];
            if (c is '{' or '}' && i + 1 < format.Length && format[i + 1] == c)
            {
                result.Append(c);
                i++;
            }
            else if (c == '{')
            {
                int end = format.IndexOf('}', i);
                string field = end < 0 ? throw new TemplateFault("a field of a format is not closed") : format[(i + 1)..end];
                result.Append(Str(Field(field, arguments, ref next), budget));
                Budget.Bound(result.Length);
                i = end;
            }
            else
            {
                result.Append(c);
            }
        }

        return budget.Made(result.ToString());
    }

    private static object? Field(string field, Arguments arguments, ref int next)
    {
        int index = field.Length == 0 ? next++ : int.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out int given) ? given : -1;
        if (index >= 0 && index < arguments.Positional.Count)
            return arguments.Positional[index];
        foreach (var (name, value) in arguments.Named)
        {
            if (name == field)
                return value;
        }

        throw new TemplateFault($"'{{{field}}}' of a format is not supported or has no value");
    }

    private static string Convert(string width, char kind, object? value, Budget budget)
    {
        bool isNumber = Operators.TryNumbers(value, 0L, out var number);
        if (width.Length == 0 && kind == 's')
            return Str(value, budget);
        if (width.Length == 0 && kind == 'r')
            return Repr(value, budget);
        if (width.Length == 0 && kind is 'd' or 'i' && isNumber)
            return (number.AreIntegers ? number.LeftInteger : (long)number.Left).ToString(CultureInfo.InvariantCulture);
        int digits = 6;
        bool hasDigits = width.StartsWith('.')
            && int.TryParse(width.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out digits) && digits <= 20;
        if (kind == 'f' && isNumber && (width.Length == 0 || hasDigits))
            return number.Left.ToString("F" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        throw new TemplateFault($"'%{width}{kind}' of a format is not supported for {Operators.KindOf(value)}");
    }

    private static void Repr(object? value, StringBuilder into, Budget budget, int depth)
    {
        budget.Step();
        if (depth > MaxDepth)
            throw new TemplateFault("values nest too deep to write");
        Budget.Bound(into.Length);
        switch (value)
        {
            case null:
                into.Append("None");
                break;
            case bool flag:
                into.Append(flag ? "True" : "False");
                break;
            case long number:
                into.Append(CultureInfo.InvariantCulture, $"{number}");
                break;
            case double number:
                into.Append(Real(number));
                break;
            case string text:
                Quote(text, into);
                break;
            case Undefined:
                into.Append("Undefined");
                break;
            case ListValue list:
                into.Append(list.IsTuple ? '(' : '[');
                for (int i = 0; i < list.Items.Count; i++)
                {
                    into.Append(i > 0 ? ", " : "");
                    Repr(list.Items[i], into, budget, depth + 1);
                }

                into.Append(!list.IsTuple ? "]" : list.Items.Count == 1 ? ",)" : ")");
                break;
            case DictValue dict:
                string separator = "{";
                foreach (var (key, member) in dict.Members)
                {
                    into.Append(separator);
                    Repr(key, into, budget, depth + 1);
                    into.Append(": ");
                    Repr(member, into, budget, depth + 1);
                    separator = ", ";
                }

                into.Append(dict.Count == 0 ? "{}" : "}");
                break;
            default:
                throw new TemplateFault($"{Operators.KindOf(value)} cannot be written as text");
        }
    }

    private static void Quote(string text, StringBuilder into)
    {
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        into.Append(quote);
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value is '\n' or '\r' or '\t')
                into.Append('\\').Append(rune.Value switch { '\n' => 'n', '\r' => 'r', _ => 't' });
            else if (rune.Value == quote || rune.Value == '\\')
                into.Append('\\').Append((char)rune.Value);
            else if (rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
                or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator))
                into.Append(rune.ToString());
            else
                into.Append(rune.Value < 0x100 ? $"\\x{rune.Value:x2}" : rune.IsBmp ? $"\\u{rune.Value:x4}" : $"\\U{rune.Value:x8}");
        }

        into.Append(quote);
    }
}
