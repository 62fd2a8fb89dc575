using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Cli.Runs;
using Steer.Runtime;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Hosting;
using Steer.Runtime.Reports;
using Steer.Runtime.Sweeps;

namespace Steer.Cli.Commands;

/// <summary>`steer sweep`: a grid of settings, the controls that make them comparable, and a report.</summary>
internal sealed class SweepCommand : SteerCommand
{
    private readonly ModelFlags _models;
    private readonly SweepFlags _sweep;
    private readonly SweepOutputFlags _output;
    private readonly GuidanceFlags _guidance;
    private readonly SamplingFlags _sampling;
    private readonly EngineFlags _engine;

    public SweepCommand(Terminal terminal)
        : base("sweep", "Compares settings of the guidance, each with plain sampling of the same entropy, and writes a report.", terminal)
    {
        _models = Add(new ModelFlags());
        _sweep = Add(new SweepFlags());
        _output = Add(new SweepOutputFlags());
        _guidance = Add(new GuidanceFlags(strengths: false));
        _sampling = Add(new SamplingFlags(sweep: true));
        _engine = Add(new EngineFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer sweep --task astronomy --gamma 0:0.6:0.2 --eta 0:0.4:0.2 --out runs/sweep",
            "A grid of 12 cells and their controls; runs/sweep/report.html shows what came of it."),
        ("steer sweep --task commonsense --alpha 0,0.1 --per-cell 500 --out runs/masks",
            "The same grid with and without the mask. Run it again to go on after any interruption."),
        ("steer sweep --task astronomy --cells cells.json --format csv --out runs/some", "The cells of a list; the figures as CSV."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        var models = _models.Resolve(parsed);
        var options = _engine.Apply(parsed, models.ToOptions());
        options.Check();
        var config = Config(parsed, models);
        var sources = Sources(parsed, models, config, options);
        var heldout = Heldout(parsed, models);
        var evaluation = new EvaluationOptions { Seed = config.Seed, Metrics = SweepEvaluation.Metrics };
        evaluation = evaluation with { HalfSamples = _output.HalfSamples(parsed) ?? evaluation.HalfSamples };
        evaluation.Check();
        bool quiet = _output.Quiet(parsed);
        if (_output.DryRun(parsed))
            return await SweepDryRun.RunAsync(Terminal, config, sources, options, quiet, stop).ConfigureAwait(false);
        using var job = SweepJob.Open(config, sources, _output.Folder(parsed), _output.Resume(parsed));
        using var progress = new Progress(Terminal, quiet);
        using var engine = progress.Load(options, stop);
        if (_output.MeasuresAgainstNegatives(parsed, models.Task))
        {
            progress.Note(
                "the task names no held-out texts, so that the cells are measured against its real examples, from which negatives are drawn too; "
                + "--heldout FILE gives others.");
        }

        if (config.Cells.Any(c => c is { Eta: >= 1, SumToOne: false }))
        {
            progress.Note(
                "some cells have an eta of 1 or more: there the weights no longer favour what the expert likes, " +
                "and the sum-to-one form among the controls is the one to read.");
        }

        if (config.PerCell < EvaluationSet.FewestTexts)
        {
            progress.Note(
                $"--per-cell is {config.PerCell}, and metrics need at least {EvaluationSet.FewestTexts} texts of a cell: there will be none, " +
                "only entropies and perplexities.");
        }

        await GenerateAsync(job, engine, progress, quiet, stop).ConfigureAwait(false);
        using var generator = new EngineEmbeddingGenerator(engine);
        string embeds = string.Join(' ', sources.Hashes["base"], sources.Hashes.GetValueOrDefault("tokenizer"), sources.Weights);
        var result = await SweepEvaluation.RunAsync(
            job.Texts, models.Task!.Name, heldout, generator, embeds, job.TextsPath, evaluation, progress.Doing, stop).ConfigureAwait(false);
        progress.Dispose();

        var report = new SweepReport(result);
        string html = report.ToHtml(), csv = SweepTables.ToCsv(result), json = SweepTables.ToJson(result), markdown = SweepTables.ToMarkdown(result);
        foreach (var (name, text) in new[] { ("report.html", html), ("sweep.csv", csv), ("sweep.json", json), ("sweep.md", markdown) })
            job.Write(name, Terminal.Utf8.GetBytes(text));
        foreach (var figure in report.Figures)
            job.Write($"figures/{figure.Name}.svg", Terminal.Utf8.GetBytes(figure.ToFile()));
        Terminal.WriteOutput(_output.Format(parsed) switch
        {
            ReportFormat.Json => json,
            ReportFormat.Csv => csv,
            ReportFormat.Markdown => markdown,
            ReportFormat.Html => html,
            _ => SweepTable.Draw(result, Terminal.Width),
        });
        if (!quiet)
            ClosingBox.Draw(Terminal, engine, SweepDisplay.Totals(job.Progress), [], progress.Elapsed.TotalSeconds);
        return ExitCode.Ok;
    }

    private async Task GenerateAsync(SweepJob job, SteerEngine engine, Progress progress, bool quiet, CancellationToken stop)
    {
        progress.Doing("", 0);
        try
        {
            await SweepDisplay.WatchAsync(Terminal, quiet, () => job.Progress, job.RunAsync(engine, stop)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            progress.Note($"interrupted with {Figures.Count(job.Progress.Texts, "text")}; the same command goes on.");
            throw;
        }
    }

    private SweepConfig Config(ParseResult parsed, ModelChoice models)
    {
        var task = models.RequiredTask;
        var config = _sweep.Apply(
            parsed,
            new SweepConfig
            {
                Prompt = task.Prompt,
                Chat = task.Chat,
                System = task.System,
                TemplateVariables = task.TemplateVariables,
                CompletionPrefix = task.CompletionPrefix,
                Cells = [],
                Seed = _sampling.Seed(parsed),
                Guidance = _guidance.Apply(parsed, models, hasContext: false),
                Sampling = _sampling.Apply(parsed, new SamplingParams { MaxTokens = task.MaxTokens, Stop = task.Stop }),
            },
            task);
        config.Check();
        return config;
    }

    private EvaluationSet Heldout(ParseResult parsed, ModelChoice models)
    {
        string path = _output.Heldout(parsed, models.Task);
        var set = new EvaluationSet { Name = path, Texts = TextFile.Read(path) };
        set.Check();
        return set with { Name = "real" };
    }

    private DatasetSources Sources(ParseResult parsed, ModelChoice models, SweepConfig config, EngineOptions options)
    {
        string? real = _sweep.Real(parsed, models.Task);
        if (real is null && config.Cells.Any(c => c.Eta > 0))
            throw new SteerException("There are no real examples to draw negatives from: give --real FILE, or --eta 0.");
        return DatasetSources.Read(real is null ? [] : TextFile.Read(real), models.Files(real), options);
    }
}
