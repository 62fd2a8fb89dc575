using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;
using Steer.Runtime.Sweeps;

namespace Steer.Cli.Display;

/// <summary>A sweep while it runs.</summary>
internal static class SweepDisplay
{
    /// <summary>Shows the progress until the work ends, and throws what the work throws.</summary>
    public static Task WatchAsync(Terminal terminal, bool quiet, Func<SweepProgress> progress, Task work) =>
        LiveDisplay.WatchAsync(terminal, quiet, () => Table(progress()), () => Line(progress()), work);

    /// <summary>One line.</summary>
    public static string Line(SweepProgress p)
    {
        string left = p.SecondsLeft is { } seconds ? $", {Figures.Duration(seconds)} left of this step" : "";
        return string.Create(
            CultureInfo.InvariantCulture, $"{Stage(p)}: {p.Made:n0} of {Figures.Count(p.StageTexts, "text")}, {p.TokensPerSecond:n0} tokens/s{left}");
    }

    /// <summary>Texts and tokens so far.</summary>
    public static string Totals(SweepProgress p) =>
        $"{Figures.Count(p.Texts, "text")} of {Figures.Count(p.Cells, "cell")} and controls, {Figures.Count(p.Tokens)} tokens";

    private static Panel Table(SweepProgress p)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(2)).AddColumn(new GridColumn().PadRight(0));
        void Row(string name, string value) => grid.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), new Text(value));

        Row("Step", Stage(p));
        Row("Texts", string.Create(CultureInfo.InvariantCulture, $"{p.Made:n0} of {p.StageTexts:n0} in this step, {p.Texts:n0} in all"));
        Row("Speed", string.Create(CultureInfo.InvariantCulture, $"{p.TokensPerSecond:n0} tokens/s, {p.Tokens:n0} tokens"));
        Row("Time left", p.SecondsLeft is { } seconds ? $"{Figures.Duration(seconds)} of this step" : "-");
        if (p.LastText is { } text)
            Row(text.Cell, LiveDisplay.OneLine(text.Text));
        return new Panel(grid) { Header = new PanelHeader(" steer sweep "), Border = BoxBorder.Rounded, Padding = new Padding(1, 0) };
    }

    private static string Stage(SweepProgress p) => p.Done ? "done"
        : p.Stage == 0 ? "cells and controls"
        : $"temperatures of equal entropy, step {p.Stage} ({Figures.Count(p.OpenSearches)} searches open)";
}
