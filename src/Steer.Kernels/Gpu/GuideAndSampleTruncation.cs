using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The truncations of one sequence, each on the tokens that still stand. Scores are relative to the best token, which has 0; minus infinity
/// marks those that do not stand. Whatever needs an order is found by bisection over the bits of the value sought.
/// </summary>
internal static class GuideAndSampleTruncation
{
    /// <summary>Applies all truncations that the row asks for, in the order of the contract.</summary>
    public static void Apply(GuideRow row, ArrayView<float> scores, ArrayView<float> keys)
    {
        if (row.TopK > 0 && row.TopK < Count(scores))
            Keep(scores, scores, Threshold(scores, scores, row.TopK, byMass: false), int.MaxValue);
        if (row.TopP < 1)
            TopP(scores, row.TopP);
        if (row.MinP > 0)
            KeepProbable(scores, MathF.Log(row.MinP));
        if (row.TypicalP < 1)
            Typical(scores, keys, row.TypicalP);
        if (row.EpsilonCutoff > 0)
            KeepProbable(scores, MathF.Log(row.EpsilonCutoff) + MathF.Log((float)Mass(scores)));
        if (row.EtaCutoff > 0)
        {
            float byEntropy = (0.5f * MathF.Log(row.EtaCutoff)) - Entropy(scores);
            KeepProbable(scores, MathF.Min(MathF.Log(row.EtaCutoff), byEntropy) + MathF.Log((float)Mass(scores)));
        }

        if (row.TopNSigma > 0)
            KeepProbable(scores, -row.TopNSigma * StandardDeviation(scores));
    }

    /// <summary>Keeps the smallest set of best tokens whose mass reaches <paramref name="p"/> of all; lower ids first at the edge.</summary>
    public static void TopP(ArrayView<float> scores, double p)
    {
        double target = p * Mass(scores);
        float threshold = Threshold(scores, scores, target, byMass: true);
        double above = MassFrom(scores, scores, NextUp(threshold), byMass: true);
        // Every token of the edge has the same mass; at least one of them is needed.
        double each = KernelMath.Exp(threshold);
        int ties = 1;
        while (above + (ties * each) < target && ties < scores.IntLength)
            ties++;
        Keep(scores, scores, threshold, ties);
    }

    /// <summary>Keeps the tokens whose key is above the threshold, and the first <paramref name="ties"/> of those that equal it.</summary>
    public static void Keep(ArrayView<float> scores, ArrayView<float> keys, float threshold, int ties)
    {
        for (int x = 0; x < scores.IntLength; x++)
        {
            bool keep = keys[x] > threshold;
            if (keys[x] == threshold && ties > 0)
            {
                keep = true;
                ties--;
            }

            if (!keep)
                scores[x] = float.NegativeInfinity;
        }
    }

    /// <summary>score = (score - max) / temperature where a token stands.</summary>
    public static void Rescale(ArrayView<float> scores, float max, float temperature)
    {
        for (int x = 0; x < scores.IntLength; x++)
        {
            if (float.IsNegativeInfinity(scores[x]))
                continue;
            float score = (scores[x] - max) / temperature;
            scores[x] = score > float.MinValue ? score : float.MinValue;
        }
    }

    /// <summary>The token at which the cumulative distribution, in order of id, passes <paramref name="uniform"/> in [0, 1).</summary>
    public static int Draw(ArrayView<float> scores, double uniform)
    {
        double target = uniform * Mass(scores), reached = 0;
        int token = 0;
        for (int x = 0; x < scores.IntLength; x++)
        {
            float mass = KernelMath.Exp(scores[x]);
            if (mass == 0)
                continue;
            token = x;
            reached += mass;
            if (reached > target)
                break;
        }

        return token;
    }

    /// <summary>The best token behind the given one in order of score, lower ids first where equal; -1 where none is left.</summary>
    public static int Next(ArrayView<float> scores, float score, int token)
    {
        int next = -1;
        for (int x = 0; x < scores.IntLength; x++)
        {
            float candidate = scores[x];
            bool behind = candidate < score || (candidate == score && x > token);
            if (behind && candidate > float.NegativeInfinity && (next < 0 || candidate > scores[next]))
                next = x;
        }

        return next;
    }

    /// <summary>Largest score.</summary>
    public static float Max(ArrayView<float> scores)
    {
        float max = float.NegativeInfinity;
        for (int x = 0; x < scores.IntLength; x++)
            max = scores[x] > max ? scores[x] : max;
        return max;
    }

    /// <summary>Tokens that stand.</summary>
    public static int Count(ArrayView<float> scores)
    {
        int count = 0;
        for (int x = 0; x < scores.IntLength; x++)
            count += float.IsNegativeInfinity(scores[x]) ? 0 : 1;
        return count;
    }

    /// <summary>Sum of exp(score).</summary>
    public static double Mass(ArrayView<float> scores) => MassFrom(scores, scores, float.MinValue, byMass: true);

    /// <summary>Entropy in nats of the softmax of the scores.</summary>
    public static float Entropy(ArrayView<float> scores)
    {
        double mass = 0, weighted = 0;
        for (int x = 0; x < scores.IntLength; x++)
        {
            float e = KernelMath.Exp(scores[x]);
            mass += e;
            weighted += e > 0 ? e * scores[x] : 0;
        }

        float entropy = MathF.Log((float)mass) - (float)(weighted / mass);
        return entropy > 0 ? entropy : 0;
    }

    // Keeps scores of at least the threshold, and the best token in any case.
    private static void KeepProbable(ArrayView<float> scores, float threshold) =>
        Keep(scores, scores, threshold <= 0 ? threshold : 0, int.MaxValue);

    // Smallest |-log p - H| first until their mass reaches p; all that are tied at the edge stay.
    private static void Typical(ArrayView<float> scores, ArrayView<float> keys, double p)
    {
        double mass = Mass(scores);
        float centre = Entropy(scores) - MathF.Log((float)mass);
        for (int x = 0; x < scores.IntLength; x++)
            keys[x] = -MathF.Abs(scores[x] + centre);
        Keep(scores, keys, Threshold(scores, keys, p * mass, byMass: true), int.MaxValue);
        Rescale(scores, Max(scores), 1);
    }

    // Of the population.
    private static float StandardDeviation(ArrayView<float> scores)
    {
        double sum = 0, squares = 0;
        int count = Count(scores);
        for (int x = 0; x < scores.IntLength; x++)
            sum += float.IsNegativeInfinity(scores[x]) ? 0 : scores[x];
        double mean = sum / count;
        for (int x = 0; x < scores.IntLength; x++)
        {
            double difference = float.IsNegativeInfinity(scores[x]) ? 0 : scores[x] - mean;
            squares += difference * difference;
        }

        return MathF.Sqrt((float)(squares / count));
    }

    // The largest key v for which the keys of at least v have the target; the lowest key where all together have less.
    private static float Threshold(ArrayView<float> scores, ArrayView<float> keys, double target, bool byMass)
    {
        float min = float.PositiveInfinity;
        for (int x = 0; x < keys.IntLength; x++)
            min = keys[x] < min && keys[x] > float.NegativeInfinity ? keys[x] : min;
        uint low = Ordered(min), high = Ordered(Max(keys)) + 1;
        while (high - low > 1)
        {
            uint middle = low + ((high - low) / 2);
            if (MassFrom(scores, keys, Value(middle), byMass) >= target)
                low = middle;
            else
                high = middle;
        }

        return Value(low);
    }

    // Mass, or number, of the tokens whose key is at least the given one.
    private static double MassFrom(ArrayView<float> scores, ArrayView<float> keys, float lowest, bool byMass)
    {
        double mass = 0;
        for (int x = 0; x < keys.IntLength; x++)
        {
            if (keys[x] >= lowest)
                mass += byMass ? KernelMath.Exp(scores[x]) : 1;
        }

        return mass;
    }

    private static float NextUp(float value) => Value(Ordered(value) + 1);

    // Floats as unsigned integers of the same order, and back. The negative zero becomes the positive one.
    private static uint Ordered(float value)
    {
        int bits = (int)Interop.FloatAsInt(value + 0f);
        return (uint)(bits ^ ((bits >> 31) | int.MinValue));
    }

    private static float Value(uint ordered)
    {
        int bits = (int)ordered;
        return Interop.IntAsFloat((uint)(bits ^ ((~bits >> 31) | int.MinValue)));
    }
}
