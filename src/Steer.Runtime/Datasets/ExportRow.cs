using System.Text;
using System.Text.Json;

namespace Steer.Runtime.Datasets;

/// <summary>An example as exports see it.</summary>
internal sealed record ExportRow(
    string Line, int Id, string? Label, string Text, IReadOnlyDictionary<string, string> Fields, int Tokens, string FinishReason, ulong Seed,
    float? Gamma, float Eta, double? Perplexity, int CopiedRun)
{
    /// <summary>Reads all committed examples; a torn last line is none.</summary>
    /// <exception cref="SteerException">A line is not one that a job wrote.</exception>
    public static List<ExportRow> ReadAll(string path)
    {
        var rows = new List<ExportRow>();
        using var file = new LineFile(path);
        while (file.Next())
        {
            try
            {
                rows.Add(Parse(file.Line));
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
            {
                throw new SteerException($"{path}, line {file.Number}: is no line of a job. Restore it.", e);
            }
        }

        return rows;
    }

    private static ExportRow Parse(ReadOnlySpan<byte> line)
    {
        string text = Encoding.UTF8.GetString(line);
        using var json = JsonDocument.Parse(text);
        var root = json.RootElement;
        var fields = new Dictionary<string, string>(StringComparer.Ordinal);
        if (root.TryGetProperty("fields", out var given))
        {
            foreach (var field in given.EnumerateObject())
                fields[field.Name] = TextOf(field.Value);
        }

        return new ExportRow(
            text, root.GetProperty("id").GetInt32(), root.TryGetProperty("label", out var label) ? label.GetString() : null,
            TextOf(root.GetProperty("text")), fields, root.GetProperty("tokens").GetInt32(),
            TextOf(root.GetProperty("finish_reason")), root.GetProperty("seed").GetUInt64(),
            root.TryGetProperty("gamma", out var gamma) ? gamma.GetSingle() : null, root.GetProperty("eta").GetSingle(),
            root.GetProperty("perplexity") is { ValueKind: JsonValueKind.Number } perplexity ? perplexity.GetDouble() : null,
            root.GetProperty("copied_run").GetInt32());
    }

    private static string TextOf(JsonElement value) => value.GetString() ?? throw new FormatException("A text is null.");
}
