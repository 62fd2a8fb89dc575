using System.Globalization;
using Steer.Runtime.Reports;
using Steer.Runtime.Sweeps;

namespace Steer.Cli.Display;

/// <summary>The cells of a sweep in a table with small bars.</summary>
internal static class SweepTable
{
    private const int BarWidth = 8;

    /// <summary>The table, line by line.</summary>
    /// <param name="result">What was measured.</param>
    /// <param name="width">Columns of the window.</param>
    public static string Draw(SweepResult result, int width)
    {
        var rows = result.Rows.Where(r => r.Asked).ToList();
        int name = Math.Max(4, rows.Max(r => r.Cell.Name.Length)) + 1;
        var columns = new Columns(
            ["cell", "entropy", "MAUVE", "vs\ntemp.", "diversity", "vs\ntemp.", "expert\nperpl."], [name, 8, BarWidth + 6, 8, 10, 8, 9], width);
        var lines = rows.Select(r => columns.Row(
        [
            r.Cell.Name, Number(r.Texts.Entropy), Bar(r["mauve"]?.Value), Difference(result, r, "mauve"),
            Number(r["diversity"]?.Value), Difference(result, r, "diversity"), Number(r.Texts.Perplexity),
        ]));
        const string note =
            "vs temp.: minus the expert alone at the temperature of the same entropy;\n" +
            "* where the 95% interval of the difference holds no 0\n";
        return $"{columns.Head()}{string.Concat(lines)}\n{note}{(SweepSentences.WithoutMetrics(result) is { } without ? without + "\n" : "")}";
    }

    private static string Number(double? value) => value is { } number ? Figures.Number(number) : "-";

    /// <summary>A share from 0 to 1 as a number and as a bar.</summary>
    private static string Bar(double? share)
    {
        if (share is not { } value)
            return "-";
        int filled = (int)Math.Round(Math.Clamp(value, 0, 1) * BarWidth);
        return string.Create(CultureInfo.InvariantCulture, $"{value:0.00} {new string('█', filled)}{new string('░', BarWidth - filled)}");
    }

    private static string Difference(SweepResult result, SweepRow row, string metric)
    {
        var contrast = result.Contrasts.FirstOrDefault(c => c.Cell == row && c.Kind == ControlKind.Temperature);
        return contrast?.Difference(metric) is not { } difference ? "-"
            : string.Create(
                CultureInfo.InvariantCulture, $"{Math.Round(difference.Value, 2) + 0.0:+0.00;-0.00;0.00}{(difference.IsClear ? "*" : " ")}");
    }
}
