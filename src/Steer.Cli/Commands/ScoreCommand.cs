using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Cli.Runs;
using Steer.Runtime;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Commands;

/// <summary>`steer score`: how likely texts are under base, expert and the guided distribution.</summary>
internal sealed class ScoreCommand : SteerCommand
{
    private readonly TextFlags _texts = new();
    private readonly ModelFlags _models;
    private readonly PromptFlags _prompt;
    private readonly ChatFlags _chat;
    private readonly ScoreFlags _scoring;
    private readonly GuidanceFlags _guidance;
    private readonly NegativeFlags _negatives;
    private readonly OutputFlags _output;
    private readonly EngineFlags _engine;

    public ScoreCommand(Terminal terminal)
        : base("score", "Log-probabilities and perplexity of texts under base, expert and the guided distribution.", terminal)
    {
        Arguments.Add(_texts.Argument);
        Add(_texts);
        _models = Add(new ModelFlags());
        _prompt = Add(new PromptFlags(several: false));
        _chat = Add(new ChatFlags("The prompt is"));
        _scoring = Add(new ScoreFlags());
        _guidance = Add(new GuidanceFlags());
        _negatives = Add(new NegativeFlags());
        _output = Add(new OutputFlags(
            "One object per line: text, token_ids and for base, expert and guided log_prob (nats) and perplexity; totals last."));
        _engine = Add(new EngineFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer score --task astronomy \"Dark matter is made of stars.\"", "Is the text more likely under the expert than under the base?"),
        ("steer score --base DIR --file texts.jsonl --json", "A file's texts under your own model."),
        ("steer score --base DIR --ids-file ids.json --logits logits.safetensors", "Raw logits, to compare with other programs."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        using var progress = new Progress(Terminal, _output.Quiet(parsed));
        var models = _models.Resolve(parsed);
        var guidance = _guidance.Apply(parsed, models, hasContext: false);
        if (guidance.Preset == GuidancePreset.ContextAware)
            throw new SteerException("--preset is context-aware: score has no branch with a context. Give another preset.");
        var negatives = _negatives.Resolve(parsed, models.Task, guidance, progress.Note);
        var prompt = _prompt.Single(parsed, models.Task);
        var chat = _chat.Resolve(parsed, models.Task);
        if (chat is not null && prompt?.Text is null)
            throw new SteerException("A chat has a prompt, which texts answer: give --prompt TEXT, or leave --chat out.");
        string? idsFile = _scoring.IdsFile(parsed), logits = _scoring.Logits(parsed);
        if (idsFile is not null && _texts.AreGiven(parsed))
            throw new SteerException("Both texts and --ids-file are given: give one of them.");
        var rows = idsFile is null ? null : IdsFile.Read(idsFile);
        var texts = rows is null ? await _texts.ReadAsync(parsed, Terminal, stop).ConfigureAwait(false) : [];
        if (rows is null && texts.Count == 0)
            throw new SteerException("There is no text to score: give it as an argument, with --file FILE or --ids-file FILE, or pipe it in.");

        // Whether it can be written is better known before the work than after it.
        if (logits is not null)
            SafetensorsWriter.Create(logits, []).Dispose();
        string? path = _output.File(parsed);
        using var stream = path is null ? ResultStream.ToStandardOutput(Terminal) : ResultStream.ToFile(path);
        using var writer = new ScoreWriter(stream, _output.Json(parsed), window: path is null && Terminal.OutputIsTerminal ? Terminal.Width : 0);
        using var engine = progress.Load(_engine.Apply(parsed, models.ToOptions()), stop);
        var items = new ScoreItems(engine, prompt, chat, models.Task?.CompletionPrefix ?? "", _scoring.Eos(parsed, models.Task is not null));
        List<ScoredText> scored = [.. rows is null ? items.FromTexts(texts) : items.FromIds(rows, idsFile!)];

        if (_scoring.LogProbs(parsed) && !_output.Json(parsed))
            progress.Note("--log-probs has an effect with --json only.");
        progress.Begin(engine, scored.Count);
        var branches = new BranchNames();
        var run = new ScoreRun(
            engine, models, guidance, negatives, chat, _scoring.Seed(parsed), detail: _output.Json(parsed) && _scoring.LogProbs(parsed));
        await foreach (var (text, scores, guided) in run.ScoreAsync(scored, stop).ConfigureAwait(false))
        {
            foreach (string warning in guided?.Warnings ?? [])
                progress.Note(warning);
            branches.Add(guided?.Branches ?? ["base"]);
            progress.Finish(() => writer.Write(text, scores));
        }

        writer.WriteTotals();
        if (logits is not null)
            await LogitsFile.WriteAsync(logits, engine, models.Expert is null ? Variant.Base : Variant.Expert, scored, stop).ConfigureAwait(false);
        Close(progress, engine, writer, branches, scored.Count, _output.Quiet(parsed));
        return ExitCode.Ok;
    }

    private void Close(Progress progress, SteerEngine engine, ScoreWriter writer, BranchNames branches, int texts, bool quiet)
    {
        if (writer.Totals.FirstOrDefault(t => t.Masked > 0) is { } masked)
        {
            progress.Note(
                $"{masked.Masked} of {Figures.Count(masked.Tokens, "token")} {(masked.Masked == 1 ? "lies" : "lie")} outside the plausibility " +
                "mask, where the guided probability is 0; "
                + "--alpha 0 scores without a mask.");
        }

        progress.Dispose();
        if (!quiet)
            ClosingBox.Draw(Terminal, engine, Figures.Count(texts), branches.Names, progress.Elapsed.TotalSeconds);
    }
}
