namespace Steer.Runtime.Evaluation;

/// <summary>Area under the receiver operating characteristic: the chance that a positive scores above a negative, ties counted as half.</summary>
internal static class RocCurve
{
    /// <summary>The area; null where all are of one kind.</summary>
    /// <param name="scores">A score each.</param>
    /// <param name="positive">Which are positive.</param>
    public static double? Area(ReadOnlySpan<double> scores, ReadOnlySpan<bool> positive)
    {
        var weights = new int[scores.Length];
        weights.AsSpan().Fill(1);
        return Area(scores, positive, weights, Order(scores));
    }

    /// <summary>Places in the order of their scores.</summary>
    public static int[] Order(ReadOnlySpan<double> scores)
    {
        int[] places = [.. Enumerable.Range(0, scores.Length)];
        Array.Sort(scores.ToArray(), places);
        return places;
    }

    /// <summary>The area of a resample, in which each place occurs <paramref name="weights"/> times.</summary>
    public static double? Area(ReadOnlySpan<double> scores, ReadOnlySpan<bool> positive, ReadOnlySpan<int> weights, ReadOnlySpan<int> order)
    {
        double area = 0;
        long positives = 0, negatives = 0;
        for (int i = 0; i < order.Length;)
        {
            long tiedPositives = 0, tiedNegatives = 0;
            double score = scores[order[i]];
            for (; i < order.Length && scores[order[i]] == score; i++)
            {
                if (positive[order[i]])
                    tiedPositives += weights[order[i]];
                else
                    tiedNegatives += weights[order[i]];
            }

            area += tiedPositives * (negatives + tiedNegatives / 2.0);
            positives += tiedPositives;
            negatives += tiedNegatives;
        }

        return positives == 0 || negatives == 0 ? null : area / ((double)positives * negatives);
    }
}
