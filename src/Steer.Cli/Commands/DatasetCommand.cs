using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Cli.Runs;
using Steer.Runtime;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Cli.Commands;

/// <summary>`steer dataset`: a data set in a folder, made unattended.</summary>
internal sealed class DatasetCommand : SteerCommand
{
    private readonly Argument<string?> _file = Flag.Path(new Argument<string?>("JOB")
    {
        HelpName = "JOB",
        Arity = ArgumentArity.ZeroOrOne,
        Description = "A job file: these flags as JSON, without dashes, such as {\"task\": \"commonsense\", \"count\": 10000}. Flags win over it.",
    });

    private readonly DatasetFlags _dataset;
    private readonly ModelFlags _models;
    private readonly GuidanceFlags _guidance;
    private readonly PoolFlags _pool;
    private readonly QualityFlags _quality;
    private readonly StructureFlags _structure;
    private readonly SamplingFlags _sampling;
    private readonly EngineFlags _engine;

    public DatasetCommand(Terminal terminal)
        : base("dataset", "Makes a data set in rounds, refuses what is bad or repeated, and goes on where it was ended.", terminal)
    {
        Arguments.Add(_file);
        Subcommands.Add(new DatasetWatchCommand(terminal));
        Subcommands.Add(new DatasetExportCommand(terminal));
        Subcommands.Add(new DatasetMergeCommand(terminal));
        _dataset = Add(new DatasetFlags());
        _models = Add(new ModelFlags());
        _guidance = Add(new GuidanceFlags(context: false));
        _pool = Add(new PoolFlags());
        _quality = Add(new QualityFlags());
        _structure = Add(new StructureFlags(own: false));
        _sampling = Add(new SamplingFlags(perPrompt: false));
        _engine = Add(new EngineFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer dataset --task commonsense --count 1000 --out runs/csqa --gamma 0.3 --eta 0.2",
            "A thousand questions. Run it again to go on after any interruption."),
        ("steer dataset job.json --device cuda", "The same from a file, with one flag of its own."),
        ("steer dataset watch runs/csqa", "How far it is, from another terminal."),
        ("steer dataset export runs/csqa --format parquet --test-share 0.1 --out hub/csqa",
            "Parquet files of a train and a test part, with a dataset card."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        if (parsed.GetValue(_file) is { } file)
            parsed = JobFile.AddTo(parsed, file);
        var models = _models.WithExpertsOfLabels(parsed, _models.Resolve(parsed));
        var options = _engine.Apply(parsed, models.ToOptions());
        options.Check();
        var config = Config(parsed, models);
        var sources = Sources(parsed, models, options) with
        {
            Command = DatasetCommandLine.Write(parsed, [.. _dataset.Operational, .. _engine.Operational]),
        };
        bool quiet = _dataset.Quiet(parsed);
        if (_dataset.DryRun(parsed))
            return await DatasetDryRun.RunAsync(Terminal, config, sources, options, quiet, stop).ConfigureAwait(false);
        using var job = DatasetJob.Open(config, sources, _dataset.Folder(parsed), _dataset.Resume(parsed));
        if (job.Progress.Done)
        {
            RefuseNothing(job.Progress, _dataset.Folder(parsed));
            if (!quiet)
            {
                Terminal.Error.WriteLine(
                    $"steer: {_dataset.Folder(parsed)}: is complete with {Figures.Count(job.Progress.Accepted, "example")}; nothing is left to do.");
            }

            return ExitCode.Ok;
        }

        using var progress = new Progress(Terminal, quiet);
        using var engine = progress.Load(options, stop);
        progress.Dispose();
        if (config.Guidance.Eta > 0 && config.EtaSweep.Count == 0 && sources.Real.Count == 0)
            progress.Note("there are no real examples, so the first round has no negatives.");
        await RunAsync(job, engine, quiet, progress, stop).ConfigureAwait(false);
        RefuseNothing(job.Progress, _dataset.Folder(parsed));
        return ExitCode.Ok;
    }

    /// <summary>A job that made nothing is no success: a script must not go on to export or train.</summary>
    private static void RefuseNothing(DatasetProgress progress, string folder)
    {
        if (progress is { Accepted: 0, GivenUp: > 0 })
        {
            throw new SteerException(
                $"{folder}: made nothing: {DatasetDisplay.Totals(progress)}; rejected.jsonl says why. Mend the task or the rules, and give another "
                + "folder.");
        }
    }

    private async Task RunAsync(DatasetJob job, SteerEngine engine, bool quiet, Progress progress, CancellationToken stop)
    {
        var branches = new BranchNames();
        async Task Work()
        {
            await foreach (var example in job.RunAsync(engine, stop).ConfigureAwait(false))
                branches.Add(example.LogProbs.Skip(1).Select(b => b.Key));
        }

        try
        {
            await DatasetDisplay.WatchAsync(Terminal, quiet, () => job.Progress, Work()).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            progress.Note(
                $"interrupted with {Figures.Count(job.Progress.Accepted)} of {Figures.Count(job.Progress.Count, "example")}; " +
                "the same command goes on.");
            throw;
        }

        if (job.Progress is { Accepted: > 0, GivenUp: > 0 })
            progress.Note($"given up after all attempts: {Figures.Count(job.Progress.GivenUp, "item")}; rejected.jsonl says why.");
        if (!quiet)
            ClosingBox.Draw(Terminal, engine, DatasetDisplay.Totals(job.Progress), branches.Names, progress.Elapsed.TotalSeconds);
    }

    private DatasetJobConfig Config(ParseResult parsed, ModelChoice models)
    {
        var task = models.RequiredTask;
        var quality = _quality.Apply(parsed, task);
        var config = new DatasetJobConfig
        {
            Prompt = task.Prompt,
            Chat = task.Chat,
            System = task.System,
            TemplateVariables = task.TemplateVariables,
            CompletionPrefix = task.CompletionPrefix,
            Labels = [.. task.Labels.Select(l => new DatasetLabel(l.Name, l.Prompt, l.Share, models.ExpertOf(l)))],
            Count = 1,
            Seed = _sampling.Seed(parsed),
            Guidance = _guidance.Apply(parsed, models, hasContext: false),
            Sampling = _sampling.Apply(parsed, new SamplingParams
            {
                MaxTokens = task.MaxTokens,
                Stop = task.Stop,
                StructuredOutput = _structure.ByRules(parsed, quality, task.CompletionPrefix),
            }),
            Quality = quality,
        };
        config = _pool.Apply(parsed, _dataset.Apply(parsed, config), task);
        config.Check();
        return config;
    }

    private DatasetSources Sources(ParseResult parsed, ModelChoice models, EngineOptions options)
    {
        var files = _pool.Real(parsed, models.Task);
        var real = files.SelectMany(f => TextFile.ReadLabelled(f.Path).Select(t => t with { Label = f.Label ?? t.Label })).ToList();
        var sources = DatasetSources.Read(
            [.. real.Select(t => t.Text)],
            [.. models.Files(real: null), .. files.Select(f => (f.Label is null ? "real" : $"real_{f.Label}", (string?)f.Path))],
            options);
        return sources with { RealLabels = real.Any(t => t.Label is not null) ? [.. real.Select(t => t.Label)] : [] };
    }
}
