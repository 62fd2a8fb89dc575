using System.Globalization;
using Spectre.Console;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Display;

/// <summary>A dataset job while it runs: a live table in a terminal, a plain line now and then elsewhere.</summary>
internal static class DatasetDisplay
{
    private static readonly TimeSpan LongSilence = TimeSpan.FromSeconds(30);

    /// <summary>Shows the progress until the work ends, and throws what the work throws.</summary>
    /// <param name="terminal">Where it is shown.</param>
    /// <param name="quiet">It is not shown.</param>
    /// <param name="progress">How far the job is.</param>
    /// <param name="work">What is waited for.</param>
    /// <param name="silence">Time since another process told of its progress; null for a job of this process.</param>
    public static Task WatchAsync(Terminal terminal, bool quiet, Func<DatasetProgress> progress, Task work, Func<TimeSpan>? silence = null)
    {
        string? News() =>
            silence?.Invoke() is { } time && time > LongSilence ? $"none for {Figures.Duration(time.TotalSeconds)}; the job may have ended" : null;
        return LiveDisplay.WatchAsync(
            terminal, quiet, () => Table(progress(), News(), terminal.Width), () => Line(progress()) + (News() is { } news ? $", news: {news}" : ""),
            work);
    }

    /// <summary>One line.</summary>
    public static string Line(DatasetProgress p)
    {
        string left = p.SecondsLeft is { } seconds ? $", {Figures.Duration(seconds)} left" : "";
        return string.Create(
            CultureInfo.InvariantCulture, $"{Totals(p)} of {p.Count:n0}, round {p.Round + 1}, {p.TokensPerSecond:n0} tokens/s{left}");
    }

    /// <summary>Accepted, refused and given up.</summary>
    public static string Totals(DatasetProgress p)
    {
        string refused = p.Rejected.Count == 0 ? "" : $", {Figures.Count(p.Rejected.Values.Sum())} refused ({Reasons(p)})";
        string givenUp = p.GivenUp == 0 ? "" : $", {Figures.Count(p.GivenUp)} given up";
        return $"{Figures.Count(p.Accepted)} accepted{refused}{givenUp}";
    }

    private static Panel Table(DatasetProgress p, string? news, int width)
    {
        // Two lines of each text, so that the table fits a small window: it has 15 columns beside the texts.
        int mostOfText = Math.Clamp((width - 15) * 2, 40, 200);
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(2)).AddColumn(new GridColumn().PadRight(0));
        void Row(string name, string value) => grid.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), new Text(value));

        Row("Accepted", string.Create(
            CultureInfo.InvariantCulture, $"{p.Accepted:n0} of {p.Count:n0} ({(double)p.Accepted / p.Count:0.0%}), round {p.Round + 1}"));
        Row("Refused", p.Rejected.Count == 0 ? "none" : $"{Figures.Count(p.Rejected.Values.Sum())} ({Reasons(p)})");
        if (p.GivenUp > 0)
            Row("Given up", Figures.Count(p.GivenUp));
        Row("Speed", string.Create(CultureInfo.InvariantCulture, $"{p.TokensPerSecond:n0} tokens/s, {p.Tokens:n0} tokens"));
        Row("Time left", p.SecondsLeft is { } seconds ? Figures.Duration(seconds) : "-");
        if (news is not null)
            Row("News", news);
        if (p.Diversity is { } diversity)
        {
            string real = p.RealDiversity is { } value ? string.Create(CultureInfo.InvariantCulture, $", {value:0.000} of real ones") : "";
            Row("Diversity", string.Create(CultureInfo.InvariantCulture, $"{diversity:0.000} of the last 500{real}"));
        }

        foreach (string text in p.LastTexts)
            Row("Text", LiveDisplay.OneLine(text, mostOfText));
        return new Panel(grid) { Header = new PanelHeader(" steer dataset "), Border = BoxBorder.Rounded, Padding = new Padding(1, 0) };
    }

    private static string Reasons(DatasetProgress p) => string.Join(", ", p.Rejected.Select(r => $"{r.Key} {Figures.Count(r.Value)}"));
}
