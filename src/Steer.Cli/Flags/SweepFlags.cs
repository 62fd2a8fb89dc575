using System.CommandLine;
using Steer.Runtime;
using Steer.Runtime.Datasets;
using Steer.Runtime.Guidance;
using Steer.Runtime.Sweeps;

namespace Steer.Cli.Flags;

/// <summary>The cells of a sweep, how many texts each has, and where they go.</summary>
internal sealed class SweepFlags : FlagGroup
{
    private readonly Option<float[]?> _gamma;
    private readonly Option<float[]?> _eta;
    private readonly Option<float[]?> _alpha;
    private readonly Option<float[]?> _temperature;
    private readonly Option<GuidancePreset[]?> _preset;
    private readonly Option<int[]?> _negatives;
    private readonly Option<string?> _cells;
    private readonly Option<int?> _perCell;
    private readonly Option<bool> _noControls;
    private readonly Option<bool> _noMatch;
    private readonly Option<float?> _tolerance;
    private readonly Option<string?> _real;
    private readonly Option<string?> _separator;
    private readonly Option<int?> _negativeTokens;

    public SweepFlags()
        : base("Cells")
    {
        _gamma = Add(Flag.Numbers("--gamma", "Strengths of the expert against the base. Default: 0:0.6:0.2."));
        _eta = Add(Flag.Numbers("--eta", "Strengths of the push away from the negatives. Default: 0:0.4:0.2."));
        _alpha = Add(Flag.Numbers("--alpha", "Plausibility masks; 0 for none. Default: the task's, else 0.1."));
        _temperature = Add(Flag.Numbers("--temperature", "Temperatures. Default: 1."));
        _preset = Add(Flag.Parsed(
            "--preset", "LIST", "Rows of weights, such as steer,contrastive. Default: steer.",
            $"names with commas between them, of {string.Join(", ", GuidanceFlags.Presets.Select(p => p.Name))}", ParsePresets));
        _negatives = Add(Flag.Parsed(
            "--negatives", "LIST", "Negatives drawn for each text, such as 5,10. Default: the task's, else 10.", "whole numbers such as 5,10",
            TokenIds.Parse));
        _cells = Add(Flag.Path(
            "--cells", "FILE",
            "Instead of a grid: a JSON array of cells, such as [{\"gamma\": 0.2, \"eta\": 0.4, \"alpha\": 0.1}], with preset, temperature, " +
            "negatives and sum_to_one as further members."));
        _perCell = Add(Flag.Integer("--per-cell", "N", "Texts of each cell and each control. Default: 200."));
        _noControls = Add(Flag.Switch("--no-controls", "Leaves out the mask alone and the sum-to-one form."));
        _noMatch = Add(Flag.Switch("--no-match", "Leaves out plain sampling at the temperature that gives each cell's entropy."));
        _tolerance = Add(Flag.Number("--entropy-tolerance", "X", "How near that entropy must come, as a share. Default: 0.01."));
        _real = Add(Flag.Path("--real", "FILE", "Real examples from which negatives are drawn. Default: the task's."));
        _separator = Add(Flag.Text("--negative-separator", "TEXT", "Stands between joined negatives; \\n stands for a line end. Default: a space."));
        _negativeTokens = Add(Flag.Integer(
            "--negative-tokens", "N", "Most tokens of a text's negatives; whole examples are dropped. Default: what the window holds."));
    }

    /// <summary>The real examples' file; null for none.</summary>
    public string? Real(ParseResult parsed, GenerationTask? task) => parsed.GetValue(_real) ?? task?.Real;

    /// <summary>Puts what was given over the defaults.</summary>
    /// <exception cref="SteerException">The file of cells is none, or there are both a file and a grid.</exception>
    public SweepConfig Apply(ParseResult parsed, SweepConfig config, GenerationTask task) => config with
    {
        Cells = Cells(parsed, task),
        PerCell = parsed.GetValue(_perCell) ?? config.PerCell,
        Controls = !parsed.GetValue(_noControls),
        MatchEntropy = !parsed.GetValue(_noMatch),
        EntropyTolerance = parsed.GetValue(_tolerance) is { } tolerance ? Math.Round(tolerance, 6) : config.EntropyTolerance,
        NegativeSeparator = parsed.GetValue(_separator) is { } text ? Escapes.Read(text) : config.NegativeSeparator,
        NegativeTokens = parsed.GetValue(_negativeTokens) ?? config.NegativeTokens,
    };

    private IReadOnlyList<SweepCell> Cells(ParseResult parsed, GenerationTask task)
    {
        var defaults = new SweepGrid();
        float[]? gamma = parsed.Given(_gamma), eta = parsed.Given(_eta), alpha = parsed.Given(_alpha), temperature = parsed.Given(_temperature);
        var presets = parsed.Given(_preset);
        int[]? negatives = parsed.Given(_negatives);
        if (parsed.GetValue(_cells) is { } file)
        {
            return (gamma, eta, alpha, temperature, presets, negatives) is (null, null, null, null, null, null)
                ? SweepGrid.ReadCells(file)
                : throw new SteerException(
                    "--cells says what --gamma, --eta, --alpha, --temperature, --preset and --negatives say: give one or the other.");
        }

        return new SweepGrid
        {
            Presets = presets ?? defaults.Presets,
            Gamma = gamma ?? defaults.Gamma,
            Eta = eta ?? defaults.Eta,
            Alpha = alpha is null ? [task.Alpha] : [.. alpha.Select(a => (float?)a)],
            Temperature = temperature ?? defaults.Temperature,
            Negatives = negatives ?? [task.Negatives],
        }.Cells();
    }

    private static GuidancePreset[]? ParsePresets(string text)
    {
        var presets = new List<GuidancePreset>();
        foreach (string name in text.Split(',', StringSplitOptions.TrimEntries))
        {
            var named = GuidanceFlags.Presets.Where(p => string.Equals(p.Name, name, StringComparison.OrdinalIgnoreCase)).ToList();
            if (named is not [var preset])
                return null;
            presets.Add(preset.Value);
        }

        return [.. presets];
    }
}
