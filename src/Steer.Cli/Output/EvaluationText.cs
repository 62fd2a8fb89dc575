using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Steer.Cli.Display;
using Steer.Runtime.Evaluation;

namespace Steer.Cli.Output;

/// <summary>An evaluation report in each of its layouts.</summary>
internal static class EvaluationText
{
    private const int BarWidth = 12;

    /// <summary>The whole text.</summary>
    /// <param name="report">What to write.</param>
    /// <param name="format">The layout.</param>
    /// <param name="window">Columns of the window; 0 for any number.</param>
    public static string Of(EvaluationReport report, ReportFormat format, int window) => format switch
    {
        ReportFormat.Json => Json(report),
        ReportFormat.Csv => Csv(report),
        ReportFormat.Markdown => Markdown(report),
        _ => Table(report, window),
    };

    private static string Json(EvaluationReport report)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JsonText.Encoder, Indented = true, NewLine = "\n" }))
            EvaluationJson.Write(json, report);
        return Encoding.UTF8.GetString(buffer.WrittenSpan) + "\n";
    }

    private static string Csv(EvaluationReport report)
    {
        var text = new StringBuilder("name,group,value,low,high,ceiling,at_ceiling,better,note\n");
        foreach (var v in report.Values)
        {
            string?[] cells =
            [
                v.Name, EvaluationJson.Name(v.Group), Exact(v.Value), Exact(v.Low), Exact(v.High), Exact(v.Ceiling), Exact(v.AtCeiling),
                EvaluationJson.Name(v.Direction), v.Note is null ? "" : $"\"{v.Note.Replace("\"", "\"\"", StringComparison.Ordinal)}\"",
            ];
            text.AppendJoin(',', cells).Append('\n');
        }

        foreach (var (name, score) in Downstream(report))
            text.Append(CultureInfo.InvariantCulture, $"{name},downstream,{Exact(score)},,,,,higher,\n");
        return text.ToString();
    }

    private static IEnumerable<(string Name, double Score)> Downstream(EvaluationReport report)
    {
        foreach (var score in report.Downstream?.Scores ?? [])
        {
            foreach (var (source, value) in new[] { ("synthetic", score.Synthetic), ("real", score.Real) })
            {
                if (value is not { } v)
                    continue;
                yield return ($"accuracy_{score.Features}_{source}", v.Accuracy);
                yield return ($"macro_f1_{score.Features}_{source}", v.MacroF1);
            }
        }
    }

    private static string Markdown(EvaluationReport report)
    {
        var text = new StringBuilder();
        text.Append(Head(report)).Append("\n\n| metric | value | 95% interval | real half | synthetic beside it | |\n|---|---:|---:|---:|---:|---|\n");
        foreach (var v in report.Values)
            text.Append($"| {v.Title} | {Number(v.Value)} | {Interval(v)} | {Number(v.Ceiling)} | {Number(v.AtCeiling)} | {Remark(v)} |\n");
        if (report.Downstream is { } downstream)
        {
            text.Append('\n').Append(DownstreamHead(downstream)).Append('\n');
            if (downstream.Scores.Count > 0)
                text.Append("\n| features | trained on synthetic: accuracy, macro F1 | trained on real: accuracy, macro F1 |\n|---|---:|---:|\n");
            foreach (var score in downstream.Scores)
                text.Append($"| {score.Features} | {Score(score.Synthetic)} | {Score(score.Real)} |\n");
        }

        text.Append('\n').Append(Explanation).Append('\n');
        foreach (string note in report.Notes)
            text.Append("\n- ").Append(note);
        return text.Append(report.Notes.Count > 0 ? "\n" : "").ToString();
    }

    private static string Table(EvaluationReport report, int window)
    {
        var columns = new Columns(["", "value", "95% interval", "real\nhalf", "beside\nit", ""], [28, 8, 17, 8, 8, BarWidth - 1], window);
        var text = new StringBuilder(Wrap(Head(report), window)).Append('\n').Append(columns.Head());
        foreach (var v in report.Values)
        {
            text.Append(v.Value is null
                ? columns.Row([v.Title, "-", v.Note ?? "", "", "", ""])
                : columns.Row([v.Title + (v.Note is null ? "" : "*"), Number(v.Value), Interval(v), Number(v.Ceiling), Number(v.AtCeiling), Bar(v)]));
        }

        foreach (var v in report.Values.Where(v => v.Value is not null && v.Note is not null))
            text.Append(Wrap($"* {v.Title}: {v.Note}", window));
        text.Append('\n').Append(Wrap(Explanation + " Bars: ━ beside it, ┃ real half.", window));
        if (report.Downstream is { } downstream)
        {
            text.Append('\n').Append(Wrap(DownstreamHead(downstream), window));
            var scores = new Columns(["", "from\nsynthetic", "from\nreal"], [12, 16, 16], window);
            text.Append(downstream.Scores.Count > 0 ? scores.Head() : "");
            foreach (var score in downstream.Scores)
                text.Append(scores.Row([score.Features, Score(score.Synthetic), Score(score.Real)]));
        }

        if (report.Notes.Count > 0)
            text.Append('\n');
        foreach (string note in report.Notes)
            text.Append(Wrap(note, window));
        return text.ToString();
    }

    private static string Explanation =>
        "Real half: one half of the real texts, against the other where a metric takes two sets: what a perfect generator would get. Beside it: as many "
        + "synthetic texts, against the same half.";

    private static string Head(EvaluationReport report) => string.Create(
        CultureInfo.InvariantCulture,
        $"{report.Synthetic} ({report.SyntheticTexts:n0} texts) against {report.Real} ({report.RealTexts:n0}): {report.Compared:n0} of each, "
        + $"halves of {report.Half:n0}, n-grams over {report.Words:n0} words.");

    private static string DownstreamHead(DownstreamResult result)
    {
        string head = result.Scores.Count == 0 ? "No classifier was trained."
            : string.Create(
                CultureInfo.InvariantCulture,
                $"Accuracy and macro F1 of a classifier of {result.Classes.Count:n0} classes, trained on {result.TrainedOn:n0} texts and tested on "
                + $"{result.TestedOn:n0} real ones; always the most frequent class: {Score(result.Majority)}.");
        string missing = result.MissingClasses.Count > 0 ? $" No synthetic text has {string.Join(", ", result.MissingClasses)}." : "";
        return head + missing + (result.Note is { } note ? " " + note : "");
    }

    private static string Remark(MetricValue v) => v.Note ?? v.Direction switch
    {
        Direction.Higher => "higher is better",
        Direction.Lower => "lower is better",
        _ => "",
    };

    private static string Score(ClassifierScore? score) => score is { } s ? $"{Number(s.Accuracy)}, {Number(s.MacroF1)}" : "-";

    private static string Interval(MetricValue v) => v is { Low: { } low, High: { } high } ? $"{Number(low)} to {Number(high)}" : "";

    private static string Exact(double? value) => value?.ToString("R", CultureInfo.InvariantCulture) ?? "";

    private static string Number(double? value) => value switch
    {
        null => "",
        { } v when Math.Abs(v) < 9.9995 => v.ToString("0.000", CultureInfo.InvariantCulture),
        { } v when Math.Abs(v) < 99.995 => v.ToString("0.00", CultureInfo.InvariantCulture),
        { } v when Math.Abs(v) < 999.95 => v.ToString("0.0", CultureInfo.InvariantCulture),
        { } v when Math.Abs(v) < 1e6 => v.ToString("n0", CultureInfo.InvariantCulture),
        { } v => v.ToString("0.00e0", CultureInfo.InvariantCulture),
    };

    /// <summary>The synthetic value beside the ceiling, on one scale from 0.</summary>
    private static string Bar(MetricValue v)
    {
        if (v is not { AtCeiling: { } value, Ceiling: { } ceiling } || Math.Max(value, ceiling) <= 0)
            return "";
        const int width = BarWidth - 2;
        double scale = width / Math.Max(value, ceiling);
        int filled = (int)Math.Round(Math.Max(0, value) * scale), mark = Math.Clamp((int)Math.Round(ceiling * scale), 1, width);
        return string.Concat(Enumerable.Range(1, width).Select(i => i == mark ? '┃' : i <= filled ? '━' : '─'));
    }

    private static string Wrap(string text, int window)
    {
        int width = window > 0 ? window : 110, column = 0;
        var wrapped = new StringBuilder();
        foreach (string word in text.Split(' '))
        {
            if (column > 0 && column + 1 + word.Length > width)
            {
                wrapped.Append('\n');
                column = 0;
            }

            wrapped.Append(column > 0 ? " " : "").Append(word);
            column += word.Length + (column > 0 ? 1 : 0);
        }

        return wrapped.Append('\n').ToString();
    }
}
