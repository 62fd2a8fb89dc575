using System.Text;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Reports;

namespace Steer.Cli.Display;

/// <summary>The metrics of an evaluation in a table with small bars.</summary>
internal static class EvaluationTable
{
    private const int BarWidth = 10;
    private const int FullWidth = 110;

    /// <summary>The whole text.</summary>
    /// <param name="report">What was found.</param>
    /// <param name="window">Columns of the window; 0 for any number.</param>
    public static string Draw(EvaluationReport report, int window)
    {
        var text = new StringBuilder(Wrap(EvaluationSentences.Compared(report), window)).Append('\n');
        var columns = new Columns(["", "value", "95% interval", "real\nhalf", "beside\nit", ""], [28, 8, 17, 8, 8, BarWidth + 1], window);
        text.Append(columns.Head());
        foreach (var v in report.Values)
        {
            text.Append(v.Value is null
                ? columns.Row([v.Title, "-", v.Note ?? "", "", "", ""])
                : columns.Row([
                    v.Title + (v.Note is null ? "" : "*"), Numbers.Short(v.Value), Numbers.Interval(v.Low, v.High), Figure(v.Ceiling),
                    Figure(v.AtCeiling), Bar(v)]));
        }

        foreach (var v in report.Values.Where(v => v.Value is not null && v.Note is not null))
            text.Append(Wrap($"* {v.Title}: {v.Note}", window));
        text.Append('\n').Append(Wrap(EvaluationSentences.Ceiling + " Bars: ━ beside it, ┃ real half.", window));
        if (report.Downstream is { } downstream)
        {
            text.Append('\n').Append(Wrap(EvaluationSentences.Downstream(downstream), window));
            var scores = new Columns(["", "from\nsynthetic", "from\nreal"], [12, 16, 16], window);
            text.Append(downstream.Scores.Count > 0 ? scores.Head() : "");
            foreach (var score in downstream.Scores)
                text.Append(scores.Row([score.Features, EvaluationSentences.Score(score.Synthetic), EvaluationSentences.Score(score.Real)]));
        }

        text.Append(report.Notes.Count > 0 ? "\n" : "");
        foreach (string note in report.Notes)
            text.Append(Wrap(note, window));
        return text.ToString();
    }

    /// <summary>Nothing where there is none, so that narrow windows have no line for it.</summary>
    private static string Figure(double? value) => value is null ? "" : Numbers.Short(value);

    /// <summary>The synthetic value beside the ceiling, on one scale from 0.</summary>
    private static string Bar(MetricValue v)
    {
        if (v is not { AtCeiling: { } value, Ceiling: { } ceiling } || Math.Max(value, ceiling) <= 0)
            return "";
        double scale = BarWidth / Math.Max(value, ceiling);
        int filled = (int)Math.Round(Math.Max(0, value) * scale), mark = Math.Clamp((int)Math.Round(ceiling * scale), 1, BarWidth);
        return string.Concat(Enumerable.Range(1, BarWidth).Select(i => i == mark ? '┃' : i <= filled ? '━' : '─'));
    }

    private static string Wrap(string text, int window)
    {
        int width = window > 0 ? window : FullWidth, column = 0;
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
