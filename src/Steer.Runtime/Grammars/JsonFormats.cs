using System.Collections.Frozen;

namespace Steer.Runtime.Grammars;

/// <summary>
/// The formats of JSON schemas that are regular, as expressions. Where a format allows several spellings of one value, or lengths that no one writes,
/// only usual ones are written.
/// </summary>
internal static class JsonFormats
{
    private const string Time = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])";
    private const string LeapYear = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
    private const string Date =
        "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
        + $"|{LeapYear}-02-29)";

    private const string Octet = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
    private const string Ipv4 = $"(?:{Octet}\\.){{3}}{Octet}";
    private const string Group = "[0-9a-fA-F]{1,4}";
    private const string Label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,60}[a-zA-Z0-9])?";
    private const string Host = $"{Label}(?:\\.{Label}){{0,3}}";
    private const string Atom = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,30}";
    private const string PathCharacter = "(?:[a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9a-fA-F]{2})";
    private const string DurationTime = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)";
    private const string DurationDate = "(?:[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?|[0-9]+M(?:[0-9]+D)?|[0-9]+D)";

    private static readonly FrozenDictionary<string, string> Patterns = new Dictionary<string, string>
    {
        ["date"] = Date,
        ["time"] = Time,
        ["date-time"] = $"{Date}T{Time}",
        ["duration"] = $"P(?:{DurationDate}(?:{DurationTime})?|{DurationTime}|[0-9]+W)",
        ["email"] = $"{Atom}(?:\\.{Atom})?@{Label}(?:\\.{Label}){{1,3}}",
        ["hostname"] = Host,
        ["ipv4"] = Ipv4,
        ["ipv6"] = string.Join('|', Ipv6()),
        ["uuid"] = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}",
        ["uri"] = $"[a-zA-Z][a-zA-Z0-9+.-]*://(?:{Host}|{Ipv4})(?::[0-9]{{1,4}})?(?:/{PathCharacter}*)*"
            + $"(?:\\?(?:{PathCharacter}|[/?])*)?(?:#(?:{PathCharacter}|[/?])*)?",
    }.ToFrozenDictionary();

    /// <summary>The names of those that are known.</summary>
    public static IEnumerable<string> Names => Patterns.Keys.Order(StringComparer.Ordinal);

    /// <summary>The expression that a whole text must match; null where the format is not known.</summary>
    public static string? Pattern(string format) => Patterns.GetValueOrDefault(format);

    /// <summary>Eight groups, or fewer around "::", which stands for one or more.</summary>
    private static IEnumerable<string> Ipv6()
    {
        yield return $"(?:{Group}:){{7}}{Group}";
        yield return "::";
        for (var before = 0; before <= 7; before++)
        {
            var left = before == 0 ? "" : before == 1 ? Group : $"(?:{Group}:){{{before - 1}}}{Group}";
            if (before > 0)
                yield return left + "::";
            if (before < 7)
                yield return $"{left}::(?:{Group}:){{0,{6 - before}}}{Group}";
        }
    }
}
