using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Datasets;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Flags;

/// <summary>What texts are pushed away from.</summary>
internal sealed class NegativeFlags : FlagGroup
{
    private readonly Option<string?> _file;
    private readonly Option<int?> _perItem;
    private readonly Option<int[]?> _ids;
    private readonly Option<string?> _separator;

    public NegativeFlags()
        : base("Negatives")
    {
        _file = Add(Flag.Path(
            "--negatives", "FILE",
            "Texts to push away from: JSONL with a field \"text\", or plain text with one on each line. Default: the task's real "
            + "examples."));
        _perItem = Add(Flag.Integer("--negatives-per-item", "K", "How many are drawn, by the seed, for each text. Default: the task's, else 10."));
        _ids = Add(Flag.Ids("--negative-ids", "One negative context as token ids, the same for all texts."));
        _separator = Add(Flag.Text("--negative-separator", "TEXT", "Stands between joined negatives; \\n stands for a line end. Default: a space."));
    }

    /// <summary>Reads the pool where it can have an effect.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="task">Its real examples are the default pool.</param>
    /// <param name="guidance">Decided before.</param>
    /// <param name="note">Takes a line about what was given in vain.</param>
    /// <exception cref="SteerException">The file cannot be read, or a number is out of range.</exception>
    public NegativeSource Resolve(ParseResult parsed, GenerationTask? task, GuidanceParams guidance, Action<string> note)
    {
        string? file = parsed.GetValue(_file);
        int[]? ids = parsed.Given(_ids);
        int count = parsed.GetValue(_perItem) ?? task?.Negatives ?? 10;
        if (count < 0)
            throw new SteerException($"--negatives-per-item is {count}: give at least 0.");
        if (file is not null && ids is not null)
            throw new SteerException("Both --negatives and --negative-ids are given: give one of them.");

        bool pushes = guidance.Preset == GuidancePreset.Steer && guidance.Eta > 0;
        bool takes = pushes || guidance.Preset == GuidancePreset.Cfg;
        var given = file is null ? null : new NegativePool(TextFile.Read(file));
        if (!takes && (given ?? (object?)ids) is not null)
            note("negatives have no effect here: they need --eta above 0 with preset steer, or preset cfg.");
        if (!takes)
            return NegativeSource.None;
        var pool = given ?? (pushes && ids is null && count > 0 && task?.Real is { } real ? new NegativePool(TextFile.Read(real)) : null);
        string separator = parsed.GetValue(_separator) is { } text ? Escapes.Read(text) : " ";
        return new NegativeSource(pool, count, ids, separator);
    }
}
