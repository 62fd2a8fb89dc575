using System.Globalization;
using System.Text;
using System.Text.Json;
using Steer.Runtime.Guidance;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>The figures of a sweep for programs and for notes.</summary>
public static class SweepTables
{
    /// <summary>A line for each cell and control: parameters, entropy, tokens, what it is matched with, and every metric with its interval.</summary>
    public static string ToCsv(SweepResult result)
    {
        string[] metrics = Metrics(result);
        var csv = new StringBuilder();
        void Line(IEnumerable<string> cells) => csv.Append(CsvText.Line(cells)).Append('\n');

        Line([
            "cell", "asked", "preset", "gamma", "eta", "alpha", "temperature", "negatives", "sum_to_one", "texts", "empty", "unfinished", "tokens",
            "entropy", "expert_perplexity",
            .. Enum.GetValues<ControlKind>().Select(kind => $"control_{ControlName(kind)}"),
            .. metrics.SelectMany(m => new[] { m, $"{m}_low", $"{m}_high" })]);
        foreach (var row in result.Rows)
        {
            var cell = row.Cell;
            Line([
                cell.Name, row.Asked ? "true" : "false", cell.Preset.Name(), Text(cell.Gamma), Text(cell.Eta), Text(cell.Alpha),
                Text(cell.Temperature), Text(cell.Negatives), cell.SumToOne ? "true" : "false",
                Text(row.Texts.Texts.Count), Text(row.Empty), Text(row.Unfinished), Text(row.Texts.Tokens),
                Numbers.Exact(row.Texts.Entropy), Numbers.Exact(row.Texts.Perplexity),
                .. Enum.GetValues<ControlKind>().Select(
                    kind => result.Contrasts.FirstOrDefault(c => c.Cell == row && c.Kind == kind)?.Control.Cell.Name ?? ""),
                .. metrics.SelectMany(m => new[] { Numbers.Exact(row[m]?.Value), Numbers.Exact(row[m]?.Low), Numbers.Exact(row[m]?.High) })]);
        }

        return csv.ToString();
    }

    /// <summary>One object: the cells with their metrics, and the differences from their controls.</summary>
    public static string ToJson(SweepResult result) => ReportText.Json(json =>
    {
        string[] metrics = Metrics(result);
        json.WriteStartObject();
        json.WriteString("title", result.Title);
        json.WriteNumber("per_cell", result.PerCell);
        json.WriteNumber("real_texts", result.Real.Texts.Count);
        json.WriteNumber("words", result.Words);
        json.WriteStartArray("cells");
        foreach (var row in result.Rows)
            WriteRow(json, row);
        json.WriteEndArray();
        json.WriteStartArray("comparisons");
        foreach (var contrast in result.Contrasts)
            WriteContrast(json, contrast, metrics);
        json.WriteEndArray();
        json.WriteEndObject();
    });

    /// <summary>Tables: what steering buys at equal entropy, the cells, and how far each lies above its controls.</summary>
    public static string ToMarkdown(SweepResult result)
    {
        string[] metrics = [.. SweepReport.Shown.Where(m => result.Rows.Any(r => r[m]?.Value is not null))];
        var text = new StringBuilder();
        void Head(IReadOnlyCollection<string> names)
        {
            text.AppendRow(names);
            text.AppendRow(names.Select(_ => "---"));
        }

        if (SweepSummary.Of(result) is { } summary)
        {
            text.Append(SweepSummary.Sentence).Append("\n\n");
            Head([.. summary[0]]);
            foreach (var line in summary.Skip(1))
                text.AppendRow(line);
            text.Append('\n');
        }

        Head(["cell", "entropy", "tokens", .. metrics.Select(m => SweepSentences.Title(result, m))]);
        foreach (var row in result.Rows)
        {
            text.AppendRow([
                row.Cell.Name, Numbers.Short(row.Texts.Entropy), row.Texts.Tokens.ToString("n0", CultureInfo.InvariantCulture),
                .. metrics.Select(m => Numbers.WithInterval(row[m]))]);
        }

        foreach (var kind in Enum.GetValues<ControlKind>())
        {
            var contrasts = result.Contrasts.Where(c => c.Kind == kind).ToList();
            if (contrasts.Count == 0)
                continue;
            text.Append("\nEach cell minus ").Append(SweepSentences.Name(kind)).Append(":\n\n");
            Head(["cell", "control", "entropy", .. SweepReport.Compared.Select(m => SweepSentences.Title(result, m))]);
            foreach (var contrast in contrasts)
            {
                string entropies = $"{Numbers.Short(contrast.Cell.Texts.Entropy)}, {Numbers.Short(contrast.Control.Texts.Entropy)}";
                text.AppendRow([
                    contrast.Cell.Cell.Name, contrast.Control.Cell.Name, entropies,
                    .. SweepReport.Compared.Select(m => Numbers.WithInterval(contrast.Difference(m)))]);
            }
        }

        return text.ToString();
    }

    private static string[] Metrics(SweepResult result) => [.. result.Rows.SelectMany(r => r.Report?.Values ?? []).Select(v => v.Name).Distinct()];

    private static string ControlName(ControlKind kind) => JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString());

    private static string Text(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture) ?? "";

    private static void WriteRow(Utf8JsonWriter json, SweepRow row)
    {
        var cell = row.Cell;
        json.WriteStartObject();
        json.WriteString("cell", cell.Name);
        json.WriteBoolean("asked", row.Asked);
        json.WriteString("preset", cell.Preset.Name());
        json.WriteFinite("gamma", cell.Gamma);
        json.WriteNumber("eta", cell.Eta);
        json.WriteFinite("alpha", cell.Alpha);
        json.WriteNumber("temperature", cell.Temperature);
        json.WriteNumber("negatives", cell.Negatives);
        json.WriteBoolean("sum_to_one", cell.SumToOne);
        json.WriteNumber("texts", row.Texts.Texts.Count);
        json.WriteNumber("empty", row.Empty);
        json.WriteNumber("unfinished", row.Unfinished);
        json.WriteNumber("tokens", row.Texts.Tokens);
        json.WriteFinite("entropy", row.Texts.Entropy);
        json.WriteFinite("expert_perplexity", row.Texts.Perplexity);
        json.WriteStartObject("metrics");
        foreach (var value in row.Report?.Values ?? [])
            WriteValue(json, value.Name, value.Value, value.Low, value.High, value.Ceiling);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteContrast(Utf8JsonWriter json, SweepContrast contrast, IEnumerable<string> metrics)
    {
        json.WriteStartObject();
        json.WriteString("cell", contrast.Cell.Cell.Name);
        json.WriteString("kind", ControlName(contrast.Kind));
        json.WriteString("control", contrast.Control.Cell.Name);
        json.WriteFinite("entropy_gap", contrast.EntropyGap);
        json.WriteStartObject("differences");
        foreach (string metric in metrics)
        {
            if (contrast.Difference(metric) is { } difference)
                WriteValue(json, metric, difference.Value, difference.Low, difference.High, ceiling: null);
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, string name, double? value, double? low, double? high, double? ceiling)
    {
        json.WriteStartObject(name);
        json.WriteFinite("value", value);
        json.WriteFinite("low", low);
        json.WriteFinite("high", high);
        if (ceiling is not null)
            json.WriteFinite("ceiling", ceiling);
        json.WriteEndObject();
    }
}
