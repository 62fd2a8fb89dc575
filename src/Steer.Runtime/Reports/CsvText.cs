namespace Steer.Runtime.Reports;

/// <summary>Comma-separated values (RFC 4180), with a line feed at the end of each line.</summary>
internal static class CsvText
{
    /// <summary>A line without its end.</summary>
    public static string Line(IEnumerable<string> cells) =>
        string.Join(',', cells.Select(c => c.AsSpan().IndexOfAny(",\"\r\n") < 0 ? c : $"\"{c.Replace("\"", "\"\"", StringComparison.Ordinal)}\""));
}
