using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The truncations of one sequence, each on the tokens that still stand. Scores are relative to the best token, which has 0. Whatever needs an order
/// is found by <see cref="GuideSearch"/>.
/// </summary>
internal static class GuideAndSampleTruncation
{
    /// <summary>Applies all truncations that the row asks for, in the order of the contract.</summary>
    public static void Apply(GuideRow row, GuideTokens tokens)
    {
        if (row.TopK > 0 && row.TopK < tokens.Length && row.TopK < tokens.Count())
            tokens.Keep(tokens.Scores, GuideSearch.Threshold(tokens, tokens.Scores, row.TopK, byMass: false));
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
            float byEntropy = (0.5f * MathF.Log(row.EtaCutoff)) - tokens.Entropy(out _);
            KeepProbable(tokens, MathF.Min(MathF.Log(row.EtaCutoff), byEntropy) + MathF.Log((float)tokens.Mass()));
        }

        if (row.TopNSigma > 0)
            KeepProbable(tokens, -row.TopNSigma * tokens.StandardDeviation());
    }

    /// <summary>Keeps the smallest set of best tokens whose mass reaches <paramref name="p"/> of all; lower ids first at the edge.</summary>
    public static void TopP(GuideTokens tokens, double p)
    {
        double target = p * tokens.Mass();
        float threshold = GuideSearch.Threshold(tokens, tokens.Scores, target, byMass: true);
        double missing = target - tokens.MassAbove(threshold);
        // Every token of the edge has the same mass; at least one of them is needed.
        double each = KernelMath.Exp(threshold);
        int ties = 1;
        if (each < missing)
            ties = missing < each * tokens.Length ? (int)Math.Ceiling(missing / each) : tokens.Length;
        tokens.KeepAbove(threshold, ties);
    }

    // Keeps scores of at least the threshold, and the best token in any case.
    private static void KeepProbable(GuideTokens tokens, float threshold) => tokens.Keep(tokens.Scores, threshold <= 0 ? threshold : 0);

    // Smallest |-log p - H| first until their mass reaches p; all that are tied at the edge stay.
    private static void Typical(GuideTokens tokens, double p)
    {
        float centre = tokens.Entropy(out double mass) - MathF.Log((float)mass);
        for (int x = Group.IdxX; x < tokens.Length; x += GuideTokens.Turn)
        {
            Floats4 s = GuideTokens.Load(tokens.Scores, x);
            tokens.Keys[x] = -MathF.Abs(s.X + centre);
            tokens.Keys[x + Group.DimX] = -MathF.Abs(s.Y + centre);
            tokens.Keys[x + (2 * Group.DimX)] = -MathF.Abs(s.Z + centre);
            tokens.Keys[x + (3 * Group.DimX)] = -MathF.Abs(s.W + centre);
        }

        tokens.Keep(tokens.Keys, GuideSearch.Threshold(tokens, tokens.Keys, p * mass, byMass: true));
        tokens.Rescale(tokens.Max(), 1);
    }
}
