using System.Text;
using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Reports;

/// <summary>The figures of an evaluation for programs and for notes.</summary>
public static class EvaluationTables
{
    /// <summary>One object; see <see cref="EvaluationJson"/>.</summary>
    public static string ToJson(EvaluationReport report) => ReportText.Json(json => EvaluationJson.Write(json, report));

    /// <summary>A line for each metric, then one for each score of the downstream check.</summary>
    public static string ToCsv(EvaluationReport report)
    {
        var csv = new StringBuilder();
        void Line(IEnumerable<string> cells) => csv.Append(CsvText.Line(cells)).Append('\n');

        Line(["name", "group", "value", "low", "high", "ceiling", "at_ceiling", "better", "note"]);
        foreach (var v in report.Values)
        {
            Line([
                v.Name, EvaluationJson.Name(v.Group), Numbers.Exact(v.Value), Numbers.Exact(v.Low), Numbers.Exact(v.High), Numbers.Exact(v.Ceiling),
                Numbers.Exact(v.AtCeiling), EvaluationJson.Name(v.Direction), v.Note ?? ""]);
        }

        foreach (var score in report.Downstream?.Scores ?? [])
        {
            foreach (var (source, value) in new[] { ("synthetic", score.Synthetic), ("real", score.Real) })
            {
                Line([$"accuracy_{score.Features}_{source}", "downstream", Numbers.Exact(value?.Accuracy), "", "", "", "", "higher", ""]);
                Line([$"macro_f1_{score.Features}_{source}", "downstream", Numbers.Exact(value?.MacroF1), "", "", "", "", "higher", ""]);
            }
        }

        return csv.ToString();
    }

    /// <summary>A table of the metrics, one of the downstream check, and what to know about them.</summary>
    public static string ToMarkdown(EvaluationReport report)
    {
        var text = new StringBuilder();
        text.Append(EvaluationSentences.Compared(report)).Append("\n\n");
        text.AppendRow(["metric", "value", "95% interval", "real half", "beside it", "better", ""]);
        text.Append("|---|---:|---:|---:|---:|---|---|\n");
        foreach (var v in report.Values)
        {
            text.AppendRow([
                v.Title, Numbers.Short(v.Value), Numbers.Interval(v.Low, v.High), Numbers.Short(v.Ceiling), Numbers.Short(v.AtCeiling),
                EvaluationSentences.Better(v.Direction), v.Note ?? ""]);
        }

        text.Append('\n').Append(EvaluationSentences.Ceiling).Append('\n');
        if (report.Downstream is { } downstream)
        {
            text.Append('\n').Append(EvaluationSentences.Downstream(downstream)).Append('\n');
            if (downstream.Scores.Count > 0)
                text.Append("\n| features | trained on synthetic | trained on real |\n|---|---:|---:|\n");
            foreach (var score in downstream.Scores)
                text.AppendRow([score.Features, EvaluationSentences.Score(score.Synthetic), EvaluationSentences.Score(score.Real)]);
        }

        text.Append(report.Notes.Count > 0 ? "\n" : "");
        foreach (string note in report.Notes)
            text.Append("- ").Append(note).Append('\n');
        return text.ToString();
    }
}
