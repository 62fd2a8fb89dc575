using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The scores of one sequence's tokens, shared by the threads of a group: thread t has tokens t, t + threads and so on. Minus infinity marks a token that
/// does not stand. Every thread calls every method.
/// </summary>
internal readonly struct GuideTokens(GroupReduce reduce, ArrayView<double> digits, ArrayView<float> scores, ArrayView<float> keys)
{
    /// <summary>The group.</summary>
    public readonly GroupReduce Reduce = reduce;

    /// <summary>Memory of <see cref="RadixSelect"/>.</summary>
    public readonly ArrayView<double> Digits = digits;

    /// <summary>Score of each token.</summary>
    public readonly ArrayView<float> Scores = scores;

    /// <summary>What tokens are ordered by where that is not the score.</summary>
    public readonly ArrayView<float> Keys = keys;

    /// <summary>Keeps the tokens whose key is at least the threshold.</summary>
    public void Keep(ArrayView<float> keys, float threshold)
    {
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
        {
            if (!(keys[x] >= threshold))
                Scores[x] = float.NegativeInfinity;
        }
    }

    /// <summary>Keeps the tokens whose score is above the threshold, and the first <paramref name="ties"/> of those that equal it.</summary>
    public void KeepAbove(float threshold, int ties)
    {
        int equal = 0;
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
            equal += Scores[x] == threshold ? 1 : 0;
        bool all = Reduce.Sum(equal) <= ties;
        Keep(Scores, threshold);
        if (all)
            return;
        // Few ties, seldom cut: one thread goes through them in order.
        Group.Barrier();
        for (int x = 0; x < Scores.IntLength && Group.IdxX == 0; x++)
        {
            if (Scores[x] == threshold && ties-- <= 0)
                Scores[x] = float.NegativeInfinity;
        }

        Group.Barrier();
    }

    /// <summary>score = (score - max) / temperature where a token stands.</summary>
    public void Rescale(float max, float temperature)
    {
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
        {
            if (float.IsNegativeInfinity(Scores[x]))
                continue;
            float score = (Scores[x] - max) / temperature;
            Scores[x] = score > float.MinValue ? score : float.MinValue;
        }
    }

    /// <summary>The token at which the cumulative distribution, in order of id, passes <paramref name="uniform"/> in [0, 1).</summary>
    public int Draw(double uniform)
    {
        // Here a thread has a run of neighbours.
        Group.Barrier();
        int length = (Scores.IntLength + Group.DimX - 1) / Group.DimX;
        int start = Group.IdxX * length, end = Math.Min(start + length, Scores.IntLength);
        double mass = 0;
        int last = -1;
        for (int x = start; x < end; x++)
        {
            float e = KernelMath.Exp(Scores[x]);
            mass += e;
            last = e > 0 ? x : last;
        }

        double reached = Reduce.SumBefore(mass, out double all), target = uniform * all;
        // The first thread whose run passes the target has the token; where rounding leaves none, the last token with any mass.
        int found = int.MaxValue;
        if (reached + mass > target && mass > 0)
        {
            found = last;
            for (int x = start; x < end && found == last; x++)
            {
                reached += KernelMath.Exp(Scores[x]);
                if (reached > target && x < last)
                    found = x;
            }
        }

        int first = Reduce.Min(found);
        return first < int.MaxValue ? first : (int)Math.Max(0, Reduce.Max(last));
    }

    /// <summary>The best token behind the given one in order of score, lower ids first where equal; -1 where none is left.</summary>
    public int Next(float score, int token)
    {
        float best = float.NegativeInfinity;
        int id = int.MaxValue;
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
        {
            float candidate = Scores[x];
            bool behind = candidate < score || (candidate == score && x > token);
            if (behind && candidate > best)
            {
                best = candidate;
                id = x;
            }
        }

        float first = Reduce.Max(best);
        int next = Reduce.Min(best == first ? id : int.MaxValue);
        return next < int.MaxValue ? next : -1;
    }

    /// <summary>Largest score.</summary>
    public float Max() => Max(Scores);

    /// <summary>Largest key.</summary>
    public float Max(ArrayView<float> keys)
    {
        float max = float.NegativeInfinity;
        for (int x = Group.IdxX; x < keys.IntLength; x += Group.DimX)
            max = keys[x] > max ? keys[x] : max;
        return Reduce.Max(max);
    }

    /// <summary>Tokens that stand.</summary>
    public int Count()
    {
        int count = 0;
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
            count += float.IsNegativeInfinity(Scores[x]) ? 0 : 1;
        return (int)Reduce.Sum(count);
    }

    /// <summary>Sum of exp(score).</summary>
    public double Mass() => MassFrom(float.MinValue);

    /// <summary>Sum of exp(score) of scores that are at least the given one.</summary>
    public double MassFrom(float lowest)
    {
        double mass = 0;
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
            mass += Scores[x] >= lowest ? KernelMath.Exp(Scores[x]) : 0;
        return Reduce.Sum(mass);
    }

    /// <summary>Entropy in nats of the softmax of the scores.</summary>
    public float Entropy()
    {
        double mass = 0, weighted = 0;
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
        {
            float e = KernelMath.Exp(Scores[x]);
            mass += e;
            weighted += e > 0 ? e * Scores[x] : 0;
        }

        mass = Reduce.Sum(mass);
        weighted = Reduce.Sum(weighted);
        float entropy = MathF.Log((float)mass) - (float)(weighted / mass);
        return entropy > 0 ? entropy : 0;
    }

    /// <summary>Standard deviation of the scores that stand, as of a population.</summary>
    public float StandardDeviation()
    {
        double sum = 0, squares = 0;
        int count = Count();
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
            sum += float.IsNegativeInfinity(Scores[x]) ? 0 : Scores[x];
        double mean = Reduce.Sum(sum) / count;
        for (int x = Group.IdxX; x < Scores.IntLength; x += Group.DimX)
        {
            double difference = float.IsNegativeInfinity(Scores[x]) ? 0 : Scores[x] - mean;
            squares += difference * difference;
        }

        return MathF.Sqrt((float)(Reduce.Sum(squares) / count));
    }
}
