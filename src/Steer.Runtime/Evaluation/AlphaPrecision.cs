using System.Numerics.Tensors;

namespace Steer.Runtime.Evaluation;

/// <summary>A curve over 30 levels from 0 to 1, and 1 - 2 times its mean distance from the diagonal: 1 where it is the diagonal.</summary>
public sealed record SupportCurve(IReadOnlyList<double> Shares, double Delta);

/// <summary>
/// Alpha-precision and beta-recall (Alaa et al., arXiv 2102.08921), with balls around the mean of a set for its supports.
/// </summary>
public static class AlphaPrecision
{
    private const int Levels = 30;

    /// <summary>Share of synthetic points within the ball that holds the share alpha of the real points, for each alpha.</summary>
    public static SupportCurve Precision(EmbeddingMatrix synthetic, EmbeddingMatrix real)
    {
        double[] centre = real.Mean(), distances = FromCentre(synthetic, centre), radii = Radii(FromCentre(real, centre));
        return Curve(radii, radius => distances.Count(d => d <= radius) / (double)distances.Length);
    }

    /// <summary>
    /// Share of real points that have a synthetic one no farther than their nearest real one, and that one within the ball that holds the share beta
    /// of the synthetic points, for each beta.
    /// </summary>
    public static SupportCurve Recall(EmbeddingMatrix synthetic, PairDistances distances)
    {
        int[] nearest = NearestNeighbours.OfColumns(distances.Across);
        float[] realRadii = NearestNeighbours.Radii(distances.Real, 1);
        double[] fromCentre = FromCentre(synthetic, synthetic.Mean());
        double[] nearestFromCentre = [.. nearest.Select(i => fromCentre[i])];
        bool[] covered = [.. nearest.Select((i, real) => distances.Across[i, real] <= realRadii[real])];
        return Curve(
            Radii(fromCentre),
            radius => nearestFromCentre.Zip(covered).Count(p => p.Second && p.First <= radius) / (double)nearest.Length);
    }

    private static double[] FromCentre(EmbeddingMatrix x, double[] centre) =>
        [.. Enumerable.Range(0, x.Rows).Select(i => TensorPrimitives.Distance(x.Row(i), centre))];

    private static double[] Radii(double[] distances)
    {
        double[] sorted = [.. distances.Order()];
        return [.. Enumerable.Range(0, Levels).Select(i => Quantile.OfSorted(sorted, i / (Levels - 1.0)))];
    }

    private static SupportCurve Curve(double[] radii, Func<double, double> share)
    {
        double[] shares = [.. radii.Select(share)];
        double gap = shares.Select((s, i) => Math.Abs(i / (Levels - 1.0) - s)).Sum();
        return new SupportCurve(shares, 1 - 2 * gap / (Levels - 1));
    }
}
