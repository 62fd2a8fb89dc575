namespace Steer.Runtime.Evaluation;

/// <summary>
/// Precision and recall (Kynkaanniemi et al., arXiv 1904.06991), density and coverage (Naeem et al., arXiv 2002.09797), by balls around points that
/// reach to their fifth nearest neighbour.
/// </summary>
/// <param name="Precision">Share of synthetic points in the ball of any real point.</param>
/// <param name="Recall">Share of real points in the ball of any synthetic point.</param>
/// <param name="Density">Balls of real points that a synthetic point lies in, over the number of neighbours; may exceed 1.</param>
/// <param name="Coverage">Share of real points whose ball holds a synthetic point.</param>
public readonly record struct PrecisionRecall(double Precision, double Recall, double Density, double Coverage)
{
    /// <summary>Neighbours that a ball reaches to.</summary>
    public const int Neighbours = 5;

    /// <summary>Of synthetic against real points; at least two of each.</summary>
    public static PrecisionRecall Of(PairDistances distances)
    {
        DistanceMatrix across = distances.Across;
        float[] realRadii = NearestNeighbours.Radii(distances.Real, Neighbours);
        float[] syntheticRadii = NearestNeighbours.Radii(distances.Synthetic, Neighbours);
        bool[] recalled = new bool[across.Columns], covered = new bool[across.Columns];
        int precise = 0;
        long inside = 0;
        for (int i = 0; i < across.Rows; i++)
        {
            ReadOnlySpan<float> row = across.Row(i);
            int balls = 0;
            for (int j = 0; j < row.Length; j++)
            {
                recalled[j] |= row[j] < syntheticRadii[i];
                bool within = row[j] < realRadii[j];
                covered[j] |= within;
                balls += within ? 1 : 0;
            }

            inside += balls;
            precise += balls > 0 ? 1 : 0;
        }

        return new PrecisionRecall(
            (double)precise / across.Rows, recalled.Count(r => r) / (double)across.Columns, (double)inside / Neighbours / across.Rows,
            covered.Count(c => c) / (double)across.Columns);
    }
}
