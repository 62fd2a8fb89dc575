using System.Runtime.Intrinsics;
using static Steer.Kernels.Host.GuideAndSampleMath;

namespace Steer.Kernels.Host;

/// <summary>
/// The truncations of one step, each on the tokens that still stand. Scores are relative to the best token, which has 0: a probability is
/// exp(score) / Mass. The formulas are those of transformers' logits processors, except top-n-sigma (Tang et al., arXiv 2411.07641).
/// </summary>
internal sealed unsafe class GuideAndSampleTruncation(GuideAndSampleCandidates candidates, GuideAndSampleSelect select)
{
    // Scores of a band of top-p: tokens of the second one have at most 1/50 of the best one's probability, and few texts draw from the third.
    private const float BandWidth = 4;

    /// <summary>Applies all truncations that the row asks for, in the order of the contract.</summary>
    public void Apply(in GuideRow row)
    {
        if (row.TopK > 0 && row.TopK < candidates.Count)
            candidates.Keep(candidates.Scores, KthLargest(row.TopK));
        if (row.TopP < 1)
            TopP(row.TopP);
        if (row.MinP > 0)
            KeepProbable(Math.Log(row.MinP));
        if (row.TypicalP < 1)
            Typical(row.TypicalP);
        if (row.EpsilonCutoff > 0)
            KeepProbable(Math.Log(row.EpsilonCutoff * candidates.Mass));
        if (row.EtaCutoff > 0)
        {
            double cutoff = Math.Min(row.EtaCutoff, Math.Sqrt(row.EtaCutoff) * Math.Exp(-candidates.Entropy));
            KeepProbable(Math.Log(cutoff * candidates.Mass));
        }
        if (row.TopNSigma > 0)
            KeepProbable(-row.TopNSigma * StandardDeviation());
    }

    /// <summary>The k-th largest score; k must not exceed the number of candidates.</summary>
    public float KthLargest(int k)
    {
        float* scores = candidates.Scores, keys = select.Keys;
        int count = candidates.Count;

        // The k-th largest of the maxima of disjoint subsets is a lower bound of what is sought, and few scores reach it. A subset
        // is one lane of `depth` neighbouring vectors.
        int depth = Math.Min(count / (4 * k), 64);
        float bound = float.MinValue;
        if (depth >= 4)
        {
            int subsets = 0;
            for (int start = 0; start + depth * Lanes <= count; start += depth * Lanes, subsets += Lanes)
            {
                var max = Vector256.Load(scores + start);
                for (int i = 1; i < depth; i++)
                    max = Vector256.MaxNative(max, Vector256.Load(scores + start + i * Lanes));
                max.Store(keys + subsets);
            }
            if (subsets >= k)
                bound = select.KthLargest(subsets, k);
        }
        return select.KthLargest(CollectKeys(bound), k);
    }

    /// <summary>Keeps the smallest set of best tokens whose mass reaches <paramref name="p"/> of all; lower ids first at the edge.</summary>
    public void TopP(double p)
    {
        double target = p * candidates.Mass, above = 0;
        // Tokens below (1 - p) / count of the mass hold less than 1 - p of it together: none of them is needed. The
        // margin of 0.001 in the exponent is for rounding.
        float lowest = (float)Math.Max(Math.Log((1 - p) * candidates.Mass / candidates.Count) - 1e-3, float.MinValue);
        // From the best tokens down, in bands, so that the keys are few in which the edge is sought.
        for (float low = -BandWidth, high = float.PositiveInfinity; ; low -= BandWidth)
        {
            low = MathF.Max(low, lowest);
            int count = CollectKeys(low, high);
            for (int i = 0; i < count; i += Lanes)
                VectorMath.Exp(Vector256.Load(select.Keys + i)).Store(select.Masses + i);
            double mass = select.Mass(count);
            if (above + mass < target && low > lowest)
            {
                above += mass;
                high = low;
                continue;
            }
            if (count == 0)
            {
                // Rounding left nothing for the last band: all before it stay.
                candidates.Keep(candidates.Scores, high);
                return;
            }
            float threshold = select.Threshold(count, target, ref above);
            double needed = Math.Ceiling((target - above) / Math.Exp(threshold));
            candidates.Keep(candidates.Scores, threshold, (int)Math.Clamp(needed, 1, int.MaxValue));
            return;
        }
    }

    // Keeps scores of at least the threshold, and the best token in any case.
    private void KeepProbable(double threshold)
    {
        float edge = RoundUp(threshold);
        candidates.Keep(candidates.Scores, edge <= 0 ? edge : 0);
    }

    // Smallest |-log p - H| first until their mass reaches p; all that are tied at the edge stay.
    private void Typical(double p)
    {
        double logMass = Math.Log(candidates.Mass);
        var centre = Vector256.Create((float)(candidates.Entropy - logMass));
        float* scores = candidates.Scores, keys = select.Keys;
        for (int i = 0; i < candidates.Count; i += Lanes)
        {
            var score = Vector256.Load(scores + i);
            (-Vector256.Abs(score + centre)).Store(keys + i);
            VectorMath.Exp(score).Store(select.Masses + i);
        }
        double above = 0;
        float threshold = select.Threshold(candidates.Count, p * candidates.Mass, ref above);
        for (int i = 0; i < candidates.Count; i += Lanes)
            (-Vector256.Abs(Vector256.Load(scores + i) + centre)).Store(keys + i);
        candidates.Keep(keys, threshold);
        candidates.Rescale(candidates.Max(), 1);
    }

    // Of the population, in float64: the mean first, then the squares of the differences from it.
    private double StandardDeviation()
    {
        int count = candidates.Count;
        double mean = SumOfPowers(0, square: false) / count;
        return Math.Sqrt(SumOfPowers(mean, square: true) / count);
    }

    // Sum of (score - offset), or of its square.
    private double SumOfPowers(double offset, bool square)
    {
        float* scores = candidates.Scores;
        int count = candidates.Count, i = 0;
        var shift = Vector256.Create(offset);
        Vector256<double> sum0 = default, sum1 = default;
        for (; i <= count - Lanes; i += Lanes)
        {
            var (lower, upper) = Vector256.Widen(Vector256.Load(scores + i));
            lower -= shift;
            upper -= shift;
            sum0 += square ? lower * lower : lower;
            sum1 += square ? upper * upper : upper;
        }
        var quad = sum0 + sum1;
        double sum = (quad[0] + quad[2]) + (quad[1] + quad[3]);
        for (; i < count; i++)
        {
            double difference = scores[i] - offset;
            sum += square ? difference * difference : difference;
        }
        return sum;
    }

    // Copies the scores of at least the bound, and below the other one, to the keys and returns how many there are.
    private int CollectKeys(float bound, float below = float.PositiveInfinity)
    {
        float* scores = candidates.Scores, keys = select.Keys;
        var edge = Vector256.Create(bound);
        var end = Vector256.Create(below);
        int count = candidates.Count, collected = 0;
        for (int i = 0; i < count; i += Lanes)
        {
            var score = Vector256.Load(scores + i);
            var inside = Vector256.GreaterThanOrEqual(score, edge) & Vector256.LessThan(score, end);
            uint bits = inside.ExtractMostSignificantBits() & FirstLanes(count - i);
            collected += PackLeft(score, bits, keys + collected);
        }
        return collected;
    }
}
