using System.Globalization;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>Figures as they stand in reports: never NaN.</summary>
public static class Numbers
{
    /// <summary>"1 text", "2,000 texts".</summary>
    public static string Count(long count, string noun) => string.Create(CultureInfo.InvariantCulture, $"{count:n0} {noun}{(count == 1 ? "" : "s")}");

    /// <summary>Three digits that count; a dash for none.</summary>
    public static string Short(double? value) => value is { } number && double.IsFinite(number)
        ? number.ToString(
            Math.Abs(number) switch { >= 1e6 => "0.00e0", >= 999.5 => "n0", >= 99.95 => "0", >= 9.995 => "0.0", >= 0.9995 => "0.00", _ => "0.000" },
            CultureInfo.InvariantCulture)
        : "-";

    /// <summary>At most four characters that count, such as 0.12, 34.5, 1.2k and 15k.</summary>
    public static string Compact(double value) => Math.Abs(value) switch
    {
        >= 1e6 => value.ToString("0e0", CultureInfo.InvariantCulture),
        >= 1e4 => (value / 1000).ToString("0k", CultureInfo.InvariantCulture),
        >= 1000 => (value / 1000).ToString("0.0k", CultureInfo.InvariantCulture),
        >= 100 => value.ToString("0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("0.0", CultureInfo.InvariantCulture),
        _ => value.ToString("0.00", CultureInfo.InvariantCulture),
    };

    /// <summary>With its sign.</summary>
    public static string Signed(double value) => (value < 0 ? "-" : "+") + Short(Math.Abs(value));

    /// <summary>All digits, for files that programs read; empty for none.</summary>
    public static string Exact(double? value) =>
        value is { } number && double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : "";

    /// <summary>low to high; empty where there is none.</summary>
    public static string Interval(double? low, double? high) => low is null || high is null ? "" : $"{Short(low)} to {Short(high)}";

    /// <summary>A value with its interval.</summary>
    public static string WithInterval(MetricValue? metric) => metric?.Value is null ? "-"
        : metric.Low is null ? Short(metric.Value)
        : $"{Short(metric.Value)} [{Interval(metric.Low, metric.High)}]";

    /// <summary>A difference with its interval.</summary>
    public static string WithInterval(MetricDifference? difference) => difference is not { } d ? "-"
        : d.Low is not { } low || d.High is not { } high ? Signed(d.Value)
        : $"{Signed(d.Value)} [{Signed(low)} to {Signed(high)}]";
}
