using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Steer.Runtime.Reports;

/// <summary>Forms that figures take for programs and for notes.</summary>
internal static class ReportText
{
    private static readonly JsonWriterOptions Format = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Indented = true,
        NewLine = "\n",
    };


    /// <summary>What <paramref name="write"/> writes, indented, with a line feed at its end.</summary>
    public static string Json(Action<Utf8JsonWriter> write)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, Format))
            write(json);
        return Encoding.UTF8.GetString(stream.ToArray()) + "\n";
    }

    /// <summary>Appends a row of a Markdown table.</summary>
    public static void AppendRow(this StringBuilder text, IEnumerable<string> cells) =>
        text.Append("| ").AppendJoin(" | ", cells.Select(c => c.Replace("|", "\\|", StringComparison.Ordinal))).Append(" |\n");
}
