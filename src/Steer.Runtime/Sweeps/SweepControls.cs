using Steer.Runtime.Guidance;

namespace Steer.Runtime.Sweeps;

/// <summary>What a cell is compared with, so that a difference is not a hidden temperature (method, section 2).</summary>
internal static class SweepControls
{
    /// <summary>The expert alone with the cell's mask, at the cell's temperature; null where the cell is that, or has no mask.</summary>
    public static SweepCell? MaskAlone(SweepCell cell) =>
        cell.Preset == GuidancePreset.Plain || !(cell.Alpha > 0) ? null : Plain(cell.Alpha!.Value, cell.Temperature);

    /// <summary>The same strengths with weights that add up to 1; null where they do already.</summary>
    public static SweepCell? SumToOne(SweepCell cell) => cell.Eta > 0 && !cell.SumToOne ? cell with { SumToOne = true } : null;

    /// <summary>
    /// Masks under which the expert alone is matched to the cell's entropy: none, and the cell's own. None for plain sampling itself.
    /// </summary>
    public static IEnumerable<float> MatchedMasks(SweepCell cell)
    {
        float alpha = cell.Alpha!.Value;
        bool plain = cell.Preset == GuidancePreset.Plain;
        if (!plain || alpha > 0)
            yield return 0;
        if (!plain && alpha > 0)
            yield return alpha;
    }

    /// <summary>The expert alone.</summary>
    public static SweepCell Plain(float alpha, float temperature) =>
        new SweepCell { Preset = GuidancePreset.Plain, Alpha = alpha, Temperature = temperature }.Normalized();
}
