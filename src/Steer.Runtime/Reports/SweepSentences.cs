using System.Globalization;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>What the numbers of a sweep say, in words that hold for any numbers.</summary>
public static class SweepSentences
{
    /// <summary>How many cells have too few texts for metrics; null where all have enough.</summary>
    public static string? WithoutMetrics(SweepResult result) => result.Rows.Count(r => r.Report is null) is > 0 and var cells
        ? string.Create(
            CultureInfo.InvariantCulture,
            $"{cells:n0} of {result.Rows.Count:n0} cells and controls {(cells == 1 ? "has" : "have")} fewer than {EvaluationSet.FewestTexts} " +
            $"texts that are not empty, and so no metrics.")
        : null;

    /// <summary>A metric in a few words.</summary>
    internal static string Title(SweepResult result, string metric) => metric == "perplexity_expert"
        ? "expert perplexity"
        : result.Rows.Select(r => r[metric]?.Title).FirstOrDefault(t => t is not null) ?? metric;

    /// <summary>In how many cells asked for, without and with a mask, a metric lies clearly above or below that of a control.</summary>
    internal static string Verdict(SweepResult result, string metric, ControlKind kind)
    {
        string title = Title(result, metric);
        string[] parts = [.. new[] { false, true }.Select(masked => Part(result, metric, kind, masked)).Where(p => p.Length > 0)];
        return parts.Length == 0 ? "" : $"Against {Name(kind)}, {title} is {string.Join(", and ", parts)}.";
    }

    /// <summary>A control in words.</summary>
    internal static string Name(ControlKind kind) => kind switch
    {
        ControlKind.Temperature => "temperature alone at the same entropy",
        ControlKind.MaskedTemperature => "the mask with a temperature of the same entropy",
        ControlKind.MaskAlone => "the mask alone at the same temperature",
        _ => "the sum-to-one form",
    };

    /// <summary>better or worse, where the interval of a difference leaves no doubt and the metric has a good side; else nothing.</summary>
    internal static string Kind(MetricDifference? difference, Direction? direction) =>
        difference is not { IsClear: true } d || direction is null or Direction.Ceiling
        ? ""
        : d.Value > 0 == (direction == Direction.Higher) ? "better" : "worse";

    /// <summary>How a metric of the steered cells asked for lies to that of a control; null where no cell has such a control.</summary>
    internal static DifferenceCount? Count(SweepResult result, string metric, ControlKind kind, bool masked)
    {
        var differences = result.Contrasts
            .Where(c => c.Kind == kind && c.Cell.Asked && !c.Cell.Cell.IsPlain && c.Cell.Cell.Alpha > 0 == masked)
            .Select(c => c.Difference(metric)).OfType<MetricDifference>().OrderBy(d => d.Value).ToList();
        return differences.Count == 0 ? null : new DifferenceCount(
            differences.Count, differences.Count(d => d.Low > 0), differences.Count(d => d.High < 0),
            (differences[(differences.Count - 1) / 2].Value + differences[differences.Count / 2].Value) / 2);
    }

    private static string Part(SweepResult result, string metric, ControlKind kind, bool masked) =>
        Count(result, metric, kind, masked) is not { } count ? ""
        : $"clearly {Clear(count)} of {count.Cells} steered cells {(masked ? "with" : "without")} the mask";

    private static string Clear(DifferenceCount count) => (count.Above, count.Below) switch
    {
        (0, 0) => "different in none",
        (_, 0) => $"higher in {count.Above}, lower in none",
        (0, _) => $"higher in none, lower in {count.Below}",
        _ => $"higher in {count.Above}, lower in {count.Below}",
    };
}

/// <summary>Differences of a metric between cells and their controls.</summary>
/// <param name="Cells">How many.</param>
/// <param name="Above">Those whose interval lies above 0.</param>
/// <param name="Below">Those whose interval lies below 0.</param>
/// <param name="Median">Of all differences.</param>
internal readonly record struct DifferenceCount(int Cells, int Above, int Below, double Median);
