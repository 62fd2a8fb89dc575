namespace Steer.Runtime.Evaluation;

/// <summary>
/// Authenticity (Alaa et al., arXiv 2102.08921, section 4): share of synthetic points whose nearest real point is closer to another real point than
/// to them. The rest lie so close to a real point that they may be copies of it. Real points among themselves reach about one half.
/// </summary>
public static class Authenticity
{
    /// <summary>Whether each synthetic point is authentic.</summary>
    public static bool[] Of(PairDistances distances)
    {
        int[] nearest = NearestNeighbours.OfRows(distances.Across);
        float[] radii = NearestNeighbours.Radii(distances.Real, 1);
        return [.. nearest.Select((real, i) => radii[real] < distances.Across[i, real])];
    }
}
