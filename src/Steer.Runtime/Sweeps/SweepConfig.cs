using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Sweeps;

/// <summary>
/// Everything that decides which texts a sweep makes, beside the files that <see cref="DatasetSources"/> names. Batch size, threads and memory
/// are not in it, because the texts do not depend on them.
/// </summary>
public sealed record SweepConfig
{
    /// <summary>What the model continues.</summary>
    public required string Prompt { get; init; }

    /// <summary>The prompt is what a user says, and texts the answers: see <see cref="DatasetJobConfig.Chat"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Chat { get; init; }

    /// <summary><see cref="Chat"/>: what the system says before the prompt; null for nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public string? System { get; init; }

    /// <summary><see cref="Chat"/>: what else the chat template may look at, such as enable_thinking; null for nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>What stands between the prompt and a text; cut off the texts.</summary>
    public string CompletionPrefix { get; init; } = "";

    /// <summary>The settings to measure.</summary>
    public required IReadOnlyList<SweepCell> Cells { get; init; }

    /// <summary>Texts of each cell and of each control.</summary>
    public int PerCell { get; init; } = 200;

    /// <summary>
    /// Seed of the sweep. Text i of every cell has the same seed and draws the same negatives, so that cells differ by their settings alone.
    /// </summary>
    public ulong Seed { get; init; }

    /// <summary>Adds the controls that need no measurement: the mask alone, and the sum-to-one form.</summary>
    public bool Controls { get; init; } = true;

    /// <summary>Adds plain sampling, and sampling with the mask alone, at the temperature that gives each cell's entropy.</summary>
    public bool MatchEntropy { get; init; } = true;

    /// <summary>How near the entropy of a control must come to its cell's, as a share of it.</summary>
    public double EntropyTolerance { get; init; } = 0.01;

    /// <summary>Stands between joined negatives.</summary>
    public string NegativeSeparator { get; init; } = " ";

    /// <summary>Most tokens of a text's negatives; null for what the window holds.</summary>
    public int? NegativeTokens { get; init; }

    /// <summary>What the cells leave open: floor, EOS exemption, how negatives combine.</summary>
    public GuidanceParams Guidance { get; init; } = new();

    /// <summary>How tokens are drawn, but for the temperature.</summary>
    public SamplingParams Sampling { get; init; } = new();

    /// <summary>Throws where a number is outside its range.</summary>
    /// <exception cref="SteerException">One line that names the option.</exception>
    public void Check()
    {
        if (Cells.Count == 0)
            throw new SteerException("The sweep has no cells: give at least one value of each parameter.");
        if (Cells.Count > MaxCells)
            throw new SteerException($"The sweep has {Cells.Count} cells: at most {MaxCells} are possible. Give fewer values.");
        if (PerCell < 1)
            throw new SteerException($"per-cell is {PerCell}: give at least 1.");
        if ((long)Cells.Count * PerCell > MaxTexts)
        {
            throw new SteerException(string.Create(
                CultureInfo.InvariantCulture,
                $"The sweep has {Cells.Count} cells of {PerCell} texts: at most {MaxTexts:n0} texts are possible. " +
                $"Give fewer values or a smaller per-cell."));
        }

        if (!(EntropyTolerance is > 0 and < 1))
            throw new SteerException(FormattableString.Invariant($"entropy-tolerance is {EntropyTolerance}: give a number above 0 and below 1."));
        foreach (var cell in Cells)
        {
            if (cell.Preset == GuidancePreset.ContextAware)
                throw new SteerException("A sweep has no contexts, which preset context-aware needs: leave it out.");
            JobOf(cell).Check();
        }
    }

    /// <summary>Cells that a sweep may have.</summary>
    public const int MaxCells = 4096;

    /// <summary>Texts that the cells of a sweep may have together; its controls come on top.</summary>
    public const int MaxTexts = 10_000_000;

    /// <summary>The dataset job whose items are a cell's texts, with the real examples as its pool.</summary>
    internal DatasetJobConfig JobOf(SweepCell cell) => new()
    {
        Prompt = Prompt,
        Chat = Chat,
        System = System,
        TemplateVariables = TemplateVariables,
        CompletionPrefix = CompletionPrefix,
        Count = PerCell,
        Seed = Seed,
        Negatives = cell.Negatives,
        NegativeSeparator = NegativeSeparator,
        NegativeTokens = NegativeTokens,
        GrowPool = false,
        Guidance = Guidance with { Preset = cell.Preset, Gamma = cell.Gamma, Eta = cell.Eta, Alpha = cell.Alpha, SumToOne = cell.SumToOne },
        Sampling = Sampling with { Temperature = cell.Temperature },
    };
}
