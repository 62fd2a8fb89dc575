using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Cli.Runs;
using Steer.Runtime;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Commands;

/// <summary>`steer generate`: texts from prompts.</summary>
internal sealed class GenerateCommand : SteerCommand
{
    private readonly ModelFlags _models;
    private readonly PromptFlags _prompts;
    private readonly ChatFlags _chat;
    private readonly GuidanceFlags _guidance;
    private readonly NegativeFlags _negatives;
    private readonly SamplingFlags _sampling;
    private readonly StructureFlags _structure;
    private readonly OutputFlags _output;
    private readonly EngineFlags _engine;

    public GenerateCommand(Terminal terminal)
        : base("generate", "Makes texts, steered by an expert and away from negatives.", terminal)
    {
        _prompts = new PromptFlags(several: true);
        _models = Add(new ModelFlags());
        Add(_prompts);
        _chat = Add(new ChatFlags("A prompt is"));
        _guidance = Add(new GuidanceFlags());
        _negatives = Add(new NegativeFlags());
        _sampling = Add(new SamplingFlags());
        _structure = Add(new StructureFlags(own: true));
        _output = Add(new OutputFlags("One object per line: text, token_ids, finish_reason, seed, index.", order: true));
        _engine = Add(new EngineFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer generate --task astronomy -n 8 --gamma 0.3 --eta 0.2", "Eight hypotheses by the astronomy expert, pushed away from real ones."),
        ("steer generate --prompt \"Once upon a time\" --max-tokens 60", "The base alone continues a text."),
        ("steer generate --task commonsense --structured -n 4", "Questions that are sure to have five choices and an answer."),
        ("steer generate --base DIR --expert DIR --prompt-file prompts.jsonl --gamma 0.3 --json -o texts.jsonl",
            "Your own models and prompts; results as JSON lines."),
        ("steer generate --base DIR --chat --system \"Answer in one line.\" --prompt \"Name a star.\"", "A chat model answers."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        using var progress = new Progress(Terminal, _output.Quiet(parsed));
        var run = await PrepareAsync(parsed, progress, stop).ConfigureAwait(false);
        string? path = _output.File(parsed);
        using var stream = path is null ? ResultStream.ToStandardOutput(Terminal) : ResultStream.ToFile(path);
        using var writer = new GenerationWriter(
            stream, _output.Json(parsed), run.Models.Task?.CompletionPrefix ?? "", run.Sampling.N, run.Prompts.Count > 1);
        using var engine = progress.Load(_engine.Apply(parsed, run.Models.ToOptions()), stop);
        run.Check(engine);
        if (run.Sampling.LogProbs is not null && !_output.Json(parsed))
            progress.Note("--log-probs has an effect with --json only.");

        progress.Begin(engine, run.Count);
        var branches = new BranchNames();
        int unfinished = 0;
        try
        {
            await foreach (var result in engine.GenerateAsync(run.Requests(), ordered: !_output.Unordered(parsed), stop).ConfigureAwait(false))
            {
                foreach (string warning in result.Warnings)
                    progress.Note(warning);
                branches.Add(result.Branches);
                unfinished += result.FinishReason == FinishReason.Length ? 1 : 0;
                progress.Finish(() => writer.Write(result));
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            progress.Note($"interrupted after {progress.Finished} of {Figures.Count(run.Count, "text")}.");
            throw;
        }

        if (unfinished > 0 && run.Sampling.StructuredOutput is not null)
            progress.Note($"{unfinished} of {Figures.Count(run.Count, "text")} reached the most tokens before the structure asked for was complete.");
        progress.Dispose();
        if (!_output.Quiet(parsed))
            ClosingBox.Draw(Terminal, engine, Figures.Count(run.Count), branches.Names, progress.Elapsed.TotalSeconds);
        return ExitCode.Ok;
    }

    private async Task<GenerationRun> PrepareAsync(ParseResult parsed, Progress progress, CancellationToken stop)
    {
        var models = _models.Resolve(parsed);
        string? context = _prompts.Context(parsed);
        var guidance = _guidance.Apply(parsed, models, context is not null);
        if (context is not null && guidance.Preset != GuidancePreset.ContextAware)
            progress.Note("--context has no effect here: it needs preset context-aware.");
        var sampling = _sampling.Apply(parsed, new SamplingParams
        {
            MaxTokens = models.Task?.MaxTokens,
            Stop = models.Task?.Stop ?? [],
            StructuredOutput = _structure.Own(parsed, models.Task),
        });
        var negatives = _negatives.Resolve(parsed, models.Task, guidance, progress.Note);
        var prompts = await _prompts.AllAsync(parsed, models.Task, Terminal, stop).ConfigureAwait(false);
        var chat = _chat.Resolve(parsed, models.Task);
        if (chat is not null && prompts.Any(p => p.Ids is not null))
            throw new SteerException("--prompt-ids is given in a chat, where the template writes the ids: give --prompt TEXT.");
        return new GenerationRun(models, prompts, negatives, guidance, sampling, context, chat, _sampling.Seed(parsed));
    }
}
