using System.CommandLine;
using Steer.Runtime;

namespace Steer.Cli.Flags;

/// <summary>What is scored, and how.</summary>
internal sealed class ScoreFlags : FlagGroup
{
    private readonly Option<string?> _idsFile;
    private readonly Option<string?> _logits;
    private readonly Option<bool> _eos;
    private readonly Option<bool> _noEos;
    private readonly Option<bool> _logProbs;
    private readonly Option<ulong?> _seed;

    public ScoreFlags()
        : base("Scoring")
    {
        _idsFile = Add(Flag.Path(
            "--ids-file", "FILE",
            "Token ids instead of texts: a JSON array of arrays. Without a prompt, the first id of each is context and is not "
            + "scored."));
        _logits = Add(Flag.Path(
            "--logits", "FILE",
            "Also writes raw logits to a safetensors file: tensor logits [sequences, tokens, vocab] in f32 of the expert, or of the "
            + "base where there is none; short rows are padded with zeros."));
        _eos = Add(Flag.Switch("--eos", "Scores the end-of-sequence token after each text too. Default with --task."));
        _noEos = Add(Flag.Switch("--no-eos", "Does not."));
        _logProbs = Add(Flag.Switch("--log-probs", "With --json: every token."));
        _logProbs.Aliases.Add("--logprobs");
        _seed = Add(Flag.Unsigned("--seed", "N", "Draws the negatives of the guided distribution. Default: 0."));
    }

    public string? IdsFile(ParseResult parsed) => parsed.GetValue(_idsFile);

    public string? Logits(ParseResult parsed) => parsed.GetValue(_logits);

    /// <summary>Whether texts are scored to their end.</summary>
    /// <exception cref="SteerException">Both flags are given.</exception>
    public bool Eos(ParseResult parsed, bool hasTask) => (parsed.GetValue(_eos), parsed.GetValue(_noEos)) switch
    {
        (true, true) => throw new SteerException("--eos and --no-eos contradict each other: give one of them."),
        (var eos, var noEos) => eos || (hasTask && !noEos),
    };

    public bool LogProbs(ParseResult parsed) => parsed.GetValue(_logProbs);

    public ulong Seed(ParseResult parsed) => parsed.GetValue(_seed) ?? 0;
}
