using System.Globalization;
using Spectre.Console;
using Steer.Cli.Flags;
using Steer.Runtime.Engine;

namespace Steer.Cli.Display;

/// <summary>The figures of a run, in a box on the error stream.</summary>
internal static class ClosingBox
{
    /// <summary>Draws the box.</summary>
    /// <param name="terminal">Where.</param>
    /// <param name="engine">Has the figures.</param>
    /// <param name="texts">What was finished, in words.</param>
    /// <param name="branches">Names of the branches that ran.</param>
    /// <param name="seconds">Of the whole run, loading included.</param>
    public static void Draw(Terminal terminal, SteerEngine engine, string texts, IReadOnlyCollection<string> branches, double seconds)
    {
        var s = engine.Statistics;
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(2)).AddColumn(new GridColumn().PadRight(0));
        void Row(string name, string value) => grid.AddRow(new Text(name, new Style(decoration: Decoration.Dim)), new Text(value));

        Row("Texts", texts);
        Row(
            "Prefill",
            $"{Figures.Rate(s.PrefillRows, s.PrefillSeconds)} ({Figures.Count(s.PrefillRows)} computed, {Figures.Count(s.SharedRows)} shared)");
        if (s.DecodeRows > 0)
            Row("Decode", $"{Figures.Rate(s.GeneratedTokens, s.DecodeSeconds)} ({Figures.Count(s.GeneratedTokens, "token")})");
        if (branches.Count > 0)
            Row("Branches", $"{branches.Count} ({string.Join(", ", branches)})");
        Row("Memory", Memory(s));
        if (s.Preemptions > 0)
            Row("Waiting", $"{Figures.Count(s.Preemptions, "time")} a text gave its memory back; raise --memory");
        Row("Device", engine.DeviceDescription);
        if (s.Synchronisations > 0 && s.GeneratedTokens > 0)
            Row("Queue", Queue(s));
        Row("Time", Figures.Duration(seconds));
        terminal.Display.Write(new Panel(grid) { Header = new PanelHeader(" steer "), Border = BoxBorder.Rounded, Padding = new Padding(1, 0) });
    }

    private static string Queue(in EngineStatistics s) => string.Create(
        CultureInfo.InvariantCulture,
        $"{(double)s.Steps / s.Rounds:0.#} steps in a round; the host waited {(double)s.Synchronisations / s.GeneratedTokens:0.###} times a token");

    private static string Memory(EngineStatistics s)
    {
        string adapters = s.AdapterBytes > 0 ? $", adapters {ByteSize.Format(s.AdapterBytes)}" : "";
        return $"weights {ByteSize.Format(s.WeightBytes)}{adapters}, keys and values {ByteSize.Format(s.KvPeakBytes)} of " +
            $"{ByteSize.Format(s.KvCacheBytes)}, " +
            $"activations {ByteSize.Format(s.ScratchBytes)}";
    }
}
