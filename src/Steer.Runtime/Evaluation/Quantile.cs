namespace Steer.Runtime.Evaluation;

/// <summary>Quantiles with linear interpolation between neighbours (type 7 of Hyndman and Fan, 1996).</summary>
internal static class Quantile
{
    /// <summary>Of numbers in ascending order, at least one; q from 0 to 1.</summary>
    public static double OfSorted(ReadOnlySpan<double> sorted, double q)
    {
        double place = q * (sorted.Length - 1);
        int below = (int)Math.Floor(place), above = Math.Min(below + 1, sorted.Length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }
}
