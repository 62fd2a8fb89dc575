using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Sweeps;

/// <summary>A cell as it was measured.</summary>
/// <param name="Texts">Its texts and their entropy.</param>
/// <param name="Asked">It was asked for; else it is there as a control of others.</param>
/// <param name="Set">Its texts that are not empty, with embeddings and scores.</param>
/// <param name="Report">Its metrics; null where it has too few texts that are not empty.</param>
public sealed record SweepRow(SweepCellTexts Texts, bool Asked, EvaluationSet Set, EvaluationReport? Report)
{
    /// <summary>What the texts are made with.</summary>
    public SweepCell Cell => Texts.Cell;

    /// <summary>Texts without a word.</summary>
    public int Empty => Texts.Texts.Count - Set.Texts.Count;

    /// <summary>Texts that the most tokens asked for cut off.</summary>
    public int Unfinished => Texts.Texts.Count(t => !t.Finished);

    /// <summary>A metric by its name; null where it was not computed.</summary>
    public MetricValue? this[string metric] => Report?[metric];
}

/// <summary>What a cell is held against.</summary>
public enum ControlKind
{
    /// <summary>The expert alone, at the temperature that gives the cell's entropy.</summary>
    Temperature,

    /// <summary>The expert alone with the cell's mask, likewise.</summary>
    MaskedTemperature,

    /// <summary>The expert alone with the cell's mask, at the cell's temperature.</summary>
    MaskAlone,

    /// <summary>The cell's strengths with weights that add up to 1.</summary>
    SumToOne,
}

/// <summary>A cell and one of its controls.</summary>
/// <param name="Cell">The cell.</param>
/// <param name="Kind">Which control.</param>
/// <param name="Control">The control.</param>
public sealed record SweepContrast(SweepRow Cell, ControlKind Kind, SweepRow Control)
{
    /// <summary>Entropy of the control above that of the cell, as a share of the latter; 0 where the cell has none.</summary>
    public double EntropyGap => Cell.Texts.Entropy > 0 ? (Control.Texts.Entropy / Cell.Texts.Entropy) - 1 : 0;

    /// <summary>How far a metric of the cell lies above that of its control; null where one has none.</summary>
    public MetricDifference? Difference(string metric) => MetricDifference.Between(Cell[metric], Control[metric]);
}

/// <summary>What a sweep found.</summary>
public sealed record SweepResult
{
    /// <summary>What was swept, such as the task's name.</summary>
    public required string Title { get; init; }

    /// <summary>Texts of each cell.</summary>
    public required int PerCell { get; init; }

    /// <summary>The real texts that cells were measured against.</summary>
    public required EvaluationSet Real { get; init; }

    /// <summary>Every cell that was measured: first those asked for and their fixed controls, then the expert alone by temperature.</summary>
    public required IReadOnlyList<SweepRow> Rows { get; init; }

    /// <summary>Each cell asked for, and each control without a search, with its own controls.</summary>
    public required IReadOnlyList<SweepContrast> Contrasts { get; init; }

    /// <summary>Words over which n-grams were counted, the same for all cells.</summary>
    public int Words => Rows.Select(r => r.Report?.Words).FirstOrDefault(w => w is not null) ?? 0;
}
