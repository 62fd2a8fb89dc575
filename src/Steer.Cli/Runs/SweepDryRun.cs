using System.Globalization;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Sweeps;

namespace Steer.Cli.Runs;

/// <summary>What a sweep will cost, from the first texts of its cells, made in a folder that is removed again.</summary>
internal static class SweepDryRun
{
    private const int Texts = 64;
    private const int Names = 12;

    public static async Task<int> RunAsync(
        Terminal terminal, SweepConfig config, DatasetSources sources, EngineOptions options, bool quiet, CancellationToken stop)
    {
        var sample = config with { PerCell = Math.Min(config.PerCell, Math.Max(1, Texts / config.Cells.Count)), MatchEntropy = false };
        string folder = Directory.CreateTempSubdirectory("steer-dry-run-").FullName;
        try
        {
            using var job = SweepJob.Open(sample, sources, folder);
            using var engine = SteerEngine.Load(options, (_, _) => stop.ThrowIfCancellationRequested());
            await SweepDisplay.WatchAsync(terminal, quiet, () => job.Progress, job.RunAsync(engine, stop)).ConfigureAwait(false);
            terminal.WriteOutput(Describe(config, job, engine.Statistics, new FileInfo(Path.Combine(folder, SweepJob.TextsName)).Length));
            return ExitCode.Ok;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>How many there are, and the names of the first.</summary>
    private static string List(IReadOnlyList<SweepComparison> cells) => cells.Count == 0 ? "none"
        : $"{Figures.Count(cells.Count)}: " +
            $"{string.Join(", ", cells.Take(Names).Select(c => c.Texts.Cell.Name))}{(cells.Count > Names ? ", ..." : "")}";

    private static string Describe(SweepConfig config, SweepJob job, EngineStatistics s, long bytes)
    {
        var p = job.Progress;
        var cells = job.Texts.Comparisons;
        long texts = (long)cells.Count * config.PerCell;
        double scale = (double)texts / p.Texts;
        string searches = config.MatchEntropy ? ", and then one to three texts more for each, of the expert alone, to match entropies" : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"""
            Cells      {List([.. cells.Where(c => c.Asked)])}
            Controls   {List([.. cells.Where(c => !c.Asked)])}
            Measured   {Figures.Count(p.Texts, "text")} in {Figures.Duration(p.Seconds)}
            Time       about {Figures.Duration(p.Seconds * scale)} for {Figures.Count(texts, "text")}{searches}
            Tokens     about {p.Tokens * scale:n0}, {p.TokensPerSecond:n0} a second
            Memory     {ByteSize.Format(s.MemoryBytes)} of weights, cache and activations
            Disk       about {ByteSize.Format((long)(bytes * scale))}

            """).ReplaceLineEndings("\n");
    }
}
