using Steer.Runtime.Evaluation;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>What the numbers of a sweep say, in words that hold for any numbers.</summary>
internal static class SweepSentences
{
    /// <summary>A metric in a few words.</summary>
    public static string Title(SweepResult result, string metric) =>
        result.Rows.Select(r => r[metric]?.Title).FirstOrDefault(t => t is not null) ?? metric;

    /// <summary>In how many cells asked for, without and with a mask, a metric lies clearly above or below that of a control.</summary>
    public static string Verdict(SweepResult result, string metric, ControlKind kind)
    {
        string title = Title(result, metric);
        string[] parts = [.. new[] { false, true }.Select(masked => Part(result, metric, kind, masked)).Where(p => p.Length > 0)];
        return parts.Length == 0 ? "" : $"Against {Name(kind)}, {title} is {string.Join("; ", parts)}.";
    }

    /// <summary>A control in words.</summary>
    public static string Name(ControlKind kind) => kind switch
    {
        ControlKind.Temperature => "temperature alone at the same entropy",
        ControlKind.MaskedTemperature => "the mask with a temperature of the same entropy",
        ControlKind.MaskAlone => "the mask alone at the same temperature",
        _ => "the sum-to-one form",
    };

    /// <summary>better or worse, where the interval of a difference leaves no doubt and the metric has a good side; else nothing.</summary>
    public static string Kind(MetricDifference? difference, Direction? direction) => difference is not { IsClear: true } d || direction is null or Direction.Ceiling
        ? ""
        : d.Value > 0 == (direction == Direction.Higher) ? "better" : "worse";

    /// <summary>Steered cells asked for whose metric lies clearly above and below that of a control, and how many there are; null where there are none.</summary>
    public static (int Above, int Below, int Cells)? Count(SweepResult result, string metric, ControlKind kind, bool masked)
    {
        var differences = result.Contrasts
            .Where(c => c.Kind == kind && c.Cell.Asked && !c.Cell.Cell.IsPlain && c.Cell.Cell.Alpha > 0 == masked)
            .Select(c => c.Difference(metric)).OfType<MetricDifference>().ToList();
        return differences.Count == 0 ? null : (differences.Count(d => d.Low > 0), differences.Count(d => d.High < 0), differences.Count);
    }

    private static string Part(SweepResult result, string metric, ControlKind kind, bool masked) => Count(result, metric, kind, masked) is var (above, below, cells)
        ? $"higher in {above}, lower in {below} and not clearly different in {cells - above - below} of {cells} steered cells {(masked ? "with" : "without")} the mask"
        : "";
}
