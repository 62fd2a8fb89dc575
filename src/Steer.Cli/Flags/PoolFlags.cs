using System.CommandLine;
using System.CommandLine.Parsing;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>What the examples of a data set are pushed away from, and how that goes through the items.</summary>
internal sealed class PoolFlags : FlagGroup
{
    private readonly Option<string?> _real;
    private readonly Option<int?> _negatives;
    private readonly Option<NegativeChoice?> _choice;
    private readonly Option<string?> _separator;
    private readonly Option<int?> _group;
    private readonly Option<int?> _tokens;
    private readonly Option<PoolKind?> _pool;
    private readonly Option<DatasetShard?> _shard;
    private readonly Option<float[]?> _gammaSweep;
    private readonly Option<float[]?> _etaSweep;

    public PoolFlags()
        : base("Negatives and sweeps")
    {
        _real = Add(Flag.Path(
            "--real", "FILE",
            "Real examples: the first negatives, and what must not be repeated. JSONL with a field \"text\", or plain text. Default: the task's."));
        _negatives = Add(Flag.Integer("--negatives", "K", "Negatives drawn for each item. Default: the task's, else 10."));
        _pool = Add(Flag.Choice(
            "--pool", "Accepted examples join the negatives (growing, the default), or only real ones are negatives.",
            ("growing", PoolKind.Growing), ("real", PoolKind.Real)));
        _choice = Add(Flag.Choice(
            "--negative-choice", "Any examples of the pool, or one that the seed draws and those most similar to it in words. Default: uniform.",
            ("uniform", NegativeChoice.Uniform), ("similar", NegativeChoice.Similar)));
        _separator = Add(Flag.Text("--negative-separator", "TEXT", "Stands between joined negatives; \\n stands for a line end. Default: a space."));
        _group = Add(Flag.Integer(
            "--negative-group", "N", "Neighbouring items that share their negatives, which are then computed once. Default: 1."));
        _tokens = Add(Flag.Integer(
            "--negative-tokens", "N", "Most tokens of an item's negatives; whole examples are dropped. Default: what the window holds."));
        _shard = Add(Flag.Parsed(
            "--shard", "I/N", "Makes every N-th item, from I (0 to N-1), with real examples alone as negatives; see steer dataset merge.",
            "a part such as 0/4", ParseShard));
        _gammaSweep = Add(Flag.Numbers(
            "--gamma-sweep", "Values of gamma that items go through in turn, such as 0,0.3,0.6 or 0:0.6:0.2 (from, to, step)."));
        _etaSweep = Add(Flag.Numbers("--eta-sweep", "Values of eta, likewise; with both, items go through all pairs."));
    }

    /// <summary>
    /// Files of real examples: the given one, or the task's and those of its labels. Label is that of all examples of a file; null where each line
    /// has its own.
    /// </summary>
    public IReadOnlyList<(string Path, string? Label)> Real(ParseResult parsed, GenerationTask? task)
    {
        if (parsed.GetValue(_real) is { } given)
            return [(given, null)];
        return
        [
            .. task?.Real is { } real ? [(real, null)] : Array.Empty<(string, string?)>(),
            .. (task?.Labels ?? []).Where(l => l.Real is not null).Select(l => (l.Real!, (string?)l.Name)),
        ];
    }

    /// <summary>Puts what was given over the task's defaults.</summary>
    /// <exception cref="SteerException">A strength is given both as one and as a sweep.</exception>
    public DatasetJobConfig Apply(ParseResult parsed, DatasetJobConfig config, GenerationTask? task)
    {
        foreach (var sweep in new[] { _gammaSweep, _etaSweep })
        {
            string one = sweep.Name[..^"-sweep".Length];
            if (parsed.Given(sweep) is not null && parsed.GetResult(one) is OptionResult { Implicit: false })
                throw new SteerException($"Both {one} and {sweep.Name} are given: give one of them.");
        }

        return config with
        {
            Negatives = parsed.GetValue(_negatives) ?? task?.Negatives ?? config.Negatives,
            GrowPool = (parsed.GetValue(_pool) ?? (parsed.GetValue(_shard) is null ? PoolKind.Growing : PoolKind.Real)) == PoolKind.Growing,
            Shard = parsed.GetValue(_shard),
            NegativeChoice = parsed.GetValue(_choice) ?? config.NegativeChoice,
            NegativeSeparator = parsed.GetValue(_separator) is { } text ? Escapes.Read(text) : config.NegativeSeparator,
            NegativeGroup = parsed.GetValue(_group) ?? config.NegativeGroup,
            NegativeTokens = parsed.GetValue(_tokens) ?? config.NegativeTokens,
            GammaSweep = parsed.Given(_gammaSweep) ?? config.GammaSweep,
            EtaSweep = parsed.Given(_etaSweep) ?? config.EtaSweep,
        };
    }

    private static DatasetShard? ParseShard(string text) =>
        text.Split('/') is [var index, var count] && Flag.TryInt(index, out int i) && Flag.TryInt(count, out int n) ? new DatasetShard(i, n) : null;

    private enum PoolKind
    {
        Growing,
        Real,
    }
}
