using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Output;
using Steer.Cli.Runs;
using Steer.Runtime;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Reports;

namespace Steer.Cli.Commands;

/// <summary>`steer evaluate`: whether a synthetic set is any good, beside what real texts reach among themselves.</summary>
internal sealed class EvaluateCommand : SteerCommand
{
    private readonly Argument<string> _synthetic = Flag.Path(new Argument<string>("SET")
    {
        HelpName = "SET",
        Description = "Synthetic texts: the folder of a dataset job, JSONL with a field \"text\", or plain text with one on each line.",
    });

    private readonly EvaluationFlags _evaluation;
    private readonly ModelFlags _models;
    private readonly ReportFlags _report;
    private readonly EngineFlags _engine;

    public EvaluateCommand(Terminal terminal)
        : base(
            "evaluate", "Diversity, likeness to real texts, copies and perplexity of a synthetic set, with intervals and what real texts reach.",
            terminal)
    {
        Arguments.Add(_synthetic);
        _evaluation = Add(new EvaluationFlags());
        _models = Add(new ModelFlags());
        _report = Add(new ReportFlags());
        _engine = Add(new EngineFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer evaluate runs/csqa --task commonsense", "Against the task's held-out examples, with perplexity under its expert and base."),
        ("steer evaluate texts.jsonl --real real.jsonl --embeddings e.safetensors --format json",
            "Embeddings of your own model, one report as JSON."),
        ("steer evaluate runs/csqa --task commonsense --label-field answer --out report.md",
            "With what a classifier learns from the texts, for a README."),
        ("steer evaluate runs/csqa --task commonsense --out report.html", "One page with figures, and the nearest real text beside samples."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        using var progress = new Progress(Terminal, _report.Quiet(parsed));
        var options = _evaluation.Read(parsed);
        var models = _models.WithExpertsOfLabels(parsed, _models.Resolve(parsed));
        string real = _evaluation.Real(parsed) ?? models.Task?.Heldout
            ?? throw new SteerException(models.Task is { } task
                ? $"{task.File}: names no held-out texts to compare with. Give --real FILE, or \"heldout\" in the task."
                : "There are no real texts to compare with: give --real FILE, or a --task.");
        var format = _report.Format(parsed);
        string? file = _report.File(parsed), embeddings = _evaluation.Embeddings(parsed);
        using var stream = file is null ? ResultStream.ToStandardOutput(Terminal) : ResultStream.ToFile(file);

        string? labels = _evaluation.LabelField(parsed);
        var run = new EvaluationRun(models, _engine.Apply(parsed, models.ToOptions()), progress)
        {
            Embeddings = embeddings,
            UsesModels = embeddings is null || _models.AreGiven(parsed),
            Cache = _evaluation.Cache(parsed),
        };
        EvaluationSet synthetic = EvaluationFile.Read(parsed.GetRequiredValue(_synthetic), labels), realSet = EvaluationFile.Read(real, labels);
        if (real == models.Task?.Heldout)
            realSet = realSet with { Name = $"{models.Task.Name}, held out" };
        var (report, ofSynthetic, ofReal) = await run.EvaluateAsync(synthetic, realSet, options, stop).ConfigureAwait(false);
        progress.Dispose();
        stream.Write(Terminal.Utf8.GetBytes(format switch
        {
            ReportFormat.Json => EvaluationTables.ToJson(report),
            ReportFormat.Csv => EvaluationTables.ToCsv(report),
            ReportFormat.Markdown => EvaluationTables.ToMarkdown(report),
            ReportFormat.Html => EvaluationHtml.ToHtml(report, ofSynthetic, ofReal),
            _ => EvaluationTable.Draw(report, file is null && Terminal.OutputIsTerminal ? Terminal.Width : 0),
        }));
        return ExitCode.Ok;
    }
}
