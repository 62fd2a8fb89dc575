namespace Steer.Runtime.Sweeps;

/// <summary>A cell with what it is compared with.</summary>
/// <param name="Texts">Its texts.</param>
/// <param name="Asked">It was asked for; else it is there as a control of others.</param>
/// <param name="Matched">The expert alone at the temperature that gives the same entropy; null where none was searched for.</param>
/// <param name="MatchedMask">The same with the cell's mask; null where the cell has none.</param>
/// <param name="MaskAlone">The expert alone with the cell's mask, at the cell's temperature.</param>
/// <param name="SumToOne">The same strengths with weights that add up to 1.</param>
public sealed record SweepComparison(
    SweepCellTexts Texts, bool Asked, SweepCellTexts? Matched, SweepCellTexts? MatchedMask, SweepCellTexts? MaskAlone, SweepCellTexts? SumToOne);

/// <summary>The texts of a sweep that is done.</summary>
public sealed class SweepTexts
{
    private const float LineStep = 1f / 8;

    internal SweepTexts(SweepState state)
    {
        SweepCellTexts? Find(SweepCell? cell) => cell is null ? null : state.TextsOf.GetValueOrDefault(cell);
        SweepCellTexts? Match(SweepCell cell, bool masked) => SweepControls.MatchedMasks(cell).Any(alpha => alpha > 0 == masked)
            ? Find(state.Matched(cell, masked ? cell.Alpha!.Value : 0))
            : null;
        Comparisons =
        [
            .. state.Compared.Select(cell => new SweepComparison(
                state.TextsOf[cell],
                state.Cells.Contains(cell),
                Match(cell, masked: false),
                Match(cell, masked: true),
                Find(SweepControls.MaskAlone(cell)),
                Find(SweepControls.SumToOne(cell)))),
        ];
        var compared = Comparisons.SelectMany(c => new[] { c.Texts, c.Matched, c.MatchedMask }).OfType<SweepCellTexts>().ToList();
        float highest = compared.Where(t => t.Cell.IsPlain).Select(t => t.Cell.Temperature).DefaultIfEmpty(0).Max();
        var between = state.TextsOf.Values.Where(t => t.Cell.IsPlain && t.Cell.Temperature % LineStep == 0 && t.Cell.Temperature <= highest);
        Measured = [.. compared.Concat(between).Distinct().OrderBy(t => t.Cell.IsPlain).ThenBy(t => t.Cell.Alpha).ThenBy(
            t => t.Cell.IsPlain ? t.Cell.Temperature : 0)];
    }

    /// <summary>The cells asked for and their fixed controls, each with what it is compared with.</summary>
    public IReadOnlyList<SweepComparison> Comparisons { get; }

    /// <summary>
    /// Every cell that stands in a comparison, once, and the expert alone at the multiples of 1/8 among the temperatures that were tried, so that a
    /// line over its temperatures has no long gaps: what is worth measuring.
    /// </summary>
    public IReadOnlyList<SweepCellTexts> Measured { get; }
}
