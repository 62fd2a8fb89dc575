using System.Globalization;
using System.Text;

namespace Steer.Runtime.Chat.Jinja;

/// <summary>strftime with English names, whatever the machine's language: a prompt must not depend on it.</summary>
internal static class DateFormat
{
    private const int MaxFormat = 1000;

    /// <summary>A time in the form that a format says.</summary>
    /// <exception cref="TemplateFault">A conversion that is not known, or the format is too long.</exception>
    public static string Format(string format, DateTimeOffset time)
    {
        if (format.Length > MaxFormat)
            throw new TemplateFault($"the format of a date is longer than {MaxFormat}");
        var result = new StringBuilder();
        for (int i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }

            // %-d has no leading zero.
            bool bare = format[i + 1] == '-' && i + 2 < format.Length;
            i += bare ? 2 : 1;
            string text = Convert(format[i], time);
            result.Append(bare && text.Length > 1 ? text.TrimStart('0') is { Length: > 0 } trimmed ? trimmed : "0" : text);
        }

        return result.ToString();
    }

    private static string Convert(char kind, DateTimeOffset time)
    {
        string Net(string format) => time.ToString(format, CultureInfo.InvariantCulture);
        return kind switch
        {
            'Y' => Net("yyyy"),
            'y' => Net("yy"),
            'm' => Net("MM"),
            'B' => Net("MMMM"),
            'b' or 'h' => Net("MMM"),
            'd' => Net("dd"),
            'e' => Net("%d").PadLeft(2),
            'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'A' => Net("dddd"),
            'a' => Net("ddd"),
            'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'u' => (time.DayOfWeek == 0 ? 7 : (int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'H' => Net("HH"),
            'I' => Net("hh"),
            'M' => Net("mm"),
            'S' => Net("ss"),
            'p' => time.Hour < 12 ? "AM" : "PM",
            'F' => Net("yyyy-MM-dd"),
            'T' or 'X' => Net("HH:mm:ss"),
            'R' => Net("HH:mm"),
            'D' or 'x' => Net("MM'/'dd'/'yy"),
            'c' => Net("ddd MMM ") + Net("%d").PadLeft(2) + Net(" HH:mm:ss yyyy"),
            'Z' or 'z' => "", // Python gives nothing for a time that knows no zone
            '%' => "%",
            'n' => "\n",
            't' => "\t",
            _ => throw new TemplateFault($"'%{kind}' of a date is not supported"),
        };
    }
}
