using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Sweeps;

/// <summary>How far a metric of one set lies above that of another, with a 95% interval.</summary>
/// <param name="Value">First minus second.</param>
/// <param name="Low">Lower end; null where an interval is missing.</param>
/// <param name="High">Upper end.</param>
public readonly record struct MetricDifference(double Value, double? Low, double? High)
{
    /// <summary>The interval is there and holds no 0.</summary>
    public bool IsClear => Low > 0 || High < 0;

    /// <summary>
    /// Of two sets that are measured apart, from the interval of each: the ends lie as far from the difference as the root of the summed squares of
    /// the distances of the single ends (MOVER: Zou and Donner, Statistics in Medicine 27, 2008).
    /// </summary>
    public static MetricDifference? Between(MetricValue? first, MetricValue? second)
    {
        if (first?.Value is not { } a || second?.Value is not { } b)
            return null;
        double difference = a - b;
        return (first.Low, first.High, second.Low, second.High) is ({ } firstLow, { } firstHigh, { } secondLow, { } secondHigh)
            ? new MetricDifference(difference, difference - Root(a - firstLow, secondHigh - b), difference + Root(firstHigh - a, b - secondLow))
            : new MetricDifference(difference, null, null);
    }

    private static double Root(double x, double y) => Math.Sqrt((x * x) + (y * y));
}
