using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The truncations of one sequence, each on the tokens that still stand. Scores are relative to the best token, which has 0. Whatever needs an order is
/// found by <see cref="RadixSelect"/>.
/// </summary>
internal static class GuideAndSampleTruncation
{
    /// <summary>Applies all truncations that the row asks for, in the order of the contract.</summary>
    public static void Apply(GuideRow row, GuideTokens tokens)
    {
        if (row.TopK > 0 && row.TopK < tokens.Count())
            tokens.Keep(tokens.Scores, RadixSelect.Threshold(tokens, tokens.Scores, row.TopK, byMass: false));
        if (row.TopP < 1)
            TopP(tokens, row.TopP);
        if (row.MinP > 0)
            KeepProbable(tokens, MathF.Log(row.MinP));
        if (row.TypicalP < 1)
            Typical(tokens, row.TypicalP);
        if (row.EpsilonCutoff > 0)
            KeepProbable(tokens, MathF.Log(row.EpsilonCutoff) + MathF.Log((float)tokens.Mass()));
        if (row.EtaCutoff > 0)
        {
            float byEntropy = (0.5f * MathF.Log(row.EtaCutoff)) - tokens.Entropy();
            KeepProbable(tokens, MathF.Min(MathF.Log(row.EtaCutoff), byEntropy) + MathF.Log((float)tokens.Mass()));
        }

        if (row.TopNSigma > 0)
            KeepProbable(tokens, -row.TopNSigma * tokens.StandardDeviation());
    }

    /// <summary>Keeps the smallest set of best tokens whose mass reaches <paramref name="p"/> of all; lower ids first at the edge.</summary>
    public static void TopP(GuideTokens tokens, double p)
    {
        double target = p * tokens.Mass();
        float threshold = RadixSelect.Threshold(tokens, tokens.Scores, target, byMass: true);
        double above = tokens.MassFrom(RadixSelect.NextUp(threshold));
        // Every token of the edge has the same mass; at least one of them is needed.
        double each = KernelMath.Exp(threshold);
        int ties = 1;
        while (above + (ties * each) < target && ties < tokens.Scores.IntLength)
            ties++;
        tokens.KeepAbove(threshold, ties);
    }

    // Keeps scores of at least the threshold, and the best token in any case.
    private static void KeepProbable(GuideTokens tokens, float threshold) => tokens.Keep(tokens.Scores, threshold <= 0 ? threshold : 0);

    // Smallest |-log p - H| first until their mass reaches p; all that are tied at the edge stay.
    private static void Typical(GuideTokens tokens, double p)
    {
        double mass = tokens.Mass();
        float centre = tokens.Entropy() - MathF.Log((float)mass);
        for (int x = Group.IdxX; x < tokens.Scores.IntLength; x += Group.DimX)
            tokens.Keys[x] = -MathF.Abs(tokens.Scores[x] + centre);
        tokens.Keep(tokens.Keys, RadixSelect.Threshold(tokens, tokens.Keys, p * mass, byMass: true));
        tokens.Rescale(tokens.Max(), 1);
    }
}
