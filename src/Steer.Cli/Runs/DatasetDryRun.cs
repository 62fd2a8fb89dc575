using System.Globalization;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Cli.Runs;

/// <summary>What a dataset job will cost, from the first of its items, made in a folder that is removed again.</summary>
internal static class DatasetDryRun
{
    private const int Items = 32;

    public static async Task<int> RunAsync(
        Terminal terminal, DatasetJobConfig config, DatasetSources sources, EngineOptions options, bool quiet, CancellationToken stop)
    {
        var sample = config with { Count = Math.Min(Items, config.ItemCount), Shard = null };
        string folder = Directory.CreateTempSubdirectory("steer-dry-run-").FullName;
        try
        {
            using var job = DatasetJob.Open(sample, sources, folder);
            using var engine = SteerEngine.Load(options, (_, _) => stop.ThrowIfCancellationRequested());
            async Task Work()
            {
                await foreach (var _ in job.RunAsync(engine, stop).ConfigureAwait(false))
                {
                }
            }

            await DatasetDisplay.WatchAsync(terminal, quiet, () => job.Progress, Work()).ConfigureAwait(false);
            long bytes = new[] { DatasetFolder.ExamplesName, DatasetFolder.RejectedName }.Sum(n => new FileInfo(Path.Combine(folder, n)).Length);
            terminal.WriteOutput(Describe(config, job.Progress, engine.Statistics, bytes));
            return ExitCode.Ok;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Describe(DatasetJobConfig config, DatasetProgress p, EngineStatistics s, long bytes)
    {
        // Prompts that all items share are computed once, so the first items cost a little more than later ones will.
        double scale = (double)config.ItemCount / p.Count;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"""
            Measured   {DatasetDisplay.Totals(p)} in {Figures.Duration(p.Seconds)}
            Time       about {Figures.Duration(p.Seconds * scale)} for {Figures.Count(config.ItemCount, "item")}
            Tokens     about {p.Tokens * scale:n0}, {p.TokensPerSecond:n0} a second
            Memory     {ByteSize.Format(s.MemoryBytes)} of weights, cache and activations
            Disk       about {ByteSize.Format((long)(bytes * scale))}

            """).ReplaceLineEndings("\n");
    }
}
