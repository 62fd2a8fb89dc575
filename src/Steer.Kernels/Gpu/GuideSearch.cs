using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Searches among a group's tokens: a key down to which the best have a number or a mass, a place at which a sum is passed. Both narrow a range
/// sixteen to one by <see cref="GuideBins"/>.
/// </summary>
internal static class GuideSearch
{
    // Tokens that are ranked by comparing each with each.
    private const int MaxRanked = GuideBins.Cells;

    // Steps of half an octave, as bits of a float32.
    private const int HalfOctave = 22;

    /// <summary>
    /// The largest key v for which the tokens of at least v have the target; where all together have less, the lowest key or one below it. No key is
    /// above 0.
    /// </summary>
    public static float Threshold(GuideTokens tokens, ArrayView<float> keys, double target, bool byMass)
    {
        // Magnitudes are compared as whole numbers, whose order is the same. The range is [low, high).
        float farthest = 0;
        for (int x = Group.IdxX; x < tokens.Length; x += GuideTokens.Turn)
        {
            Floats4 key = GuideTokens.Load(keys, x);
            farthest = Farther(Farther(Farther(Farther(farthest, key.X), key.Y), key.Z), key.W);
        }

        int low = 0, high = Magnitude(-tokens.Reduce.Max(farthest)) + 1;
        double above = 0;
        while (high - low > 1)
        {
            int own = 0;
            for (int x = Group.IdxX; x < tokens.Length; x += GuideTokens.Turn)
            {
                Floats4 key = GuideTokens.Load(keys, x);
                own += Within(key.X, low, high) + Within(key.Y, low, high) + Within(key.Z, low, high) + Within(key.W, low, high);
            }

            int start = (int)tokens.Reduce.SumBefore(own, out double all);
            if (all <= MaxRanked)
                return Rank(tokens, keys, low, high, start, (int)all, target - above, byMass);

            // The first range is all magnitudes: below its last octaves they share a bin.
            int shift = HalfOctave, from = high - ((GuideBins.Count - 1) << HalfOctave), first = 1;
            if (low > 0 || from <= 0)
            {
                (from, first, shift) = (low, 0, ShiftFor(high - low));
            }

            tokens.Bins.Clear(tokens.Length);
            for (int x = Group.IdxX; x < tokens.Length; x += GuideTokens.Turn)
            {
                Floats4 key = GuideTokens.Load(keys, x), score = byMass ? GuideTokens.Load(tokens.Scores, x) : default;
                for (int i = 0; i < 4; i++)
                {
                    if (Within(key[i], low, high) == 0)
                        continue;
                    int bits = Magnitude(key[i]);
                    tokens.Bins.Add(bits < from ? 0 : ((bits - from) >> shift) + first, x + (i * Group.DimX), byMass ? KernelMath.Exp(score[i]) : 1);
                }
            }

            tokens.Bins.Finish(tokens.Length);
            int bin = 0;
            while (bin < GuideBins.Count - 1 && !(above + tokens.Bins[bin] >= target))
                above += tokens.Bins[bin++];
            if (bin < first)
            {
                high = from;
                continue;
            }

            low = from + ((bin - first) << shift);
            high = Math.Min(high, low + (1 << shift));
        }

        return -Interop.IntAsFloat((uint)low);
    }

    /// <summary>
    /// The first place at which the running sum passes the target, the last that has any where rounding leaves none: of exp(score), or, where
    /// <paramref name="equals"/>, of the tokens whose score is <paramref name="score"/>.
    /// </summary>
    public static int Place(GuideTokens tokens, double target, bool equals, float score)
    {
        // Here a thread reads what others wrote.
        Group.Barrier();
        int low = 0, high = tokens.Length;
        double reached = 0;
        while (high - low > 1)
        {
            int shift = ShiftFor(high - low);
            tokens.Bins.Clear(high - low);
            for (int x = low + Group.IdxX; x < high; x += GuideTokens.Turn)
            {
                Floats4 scores = GuideTokens.Load(tokens.Scores, x);
                for (int i = 0; i < 4; i++)
                {
                    int place = x + (i * Group.DimX) - low;
                    if (place < high - low)
                        tokens.Bins.Add(place >> shift, place, equals ? (scores[i] == score ? 1f : 0f) : KernelMath.Exp(scores[i]));
                }
            }

            tokens.Bins.Finish(high - low);
            int bin = 0, last = 0;
            double before = reached;
            for (int i = 0; i < GuideBins.Count && reached <= target; i++)
            {
                double sum = tokens.Bins[i];
                if (sum > 0)
                    (bin, last, before) = (i, i, reached);
                reached += sum;
            }

            reached = before;
            low += Math.Max(bin, last) << shift;
            high = Math.Min(high, low + (1 << shift));
        }

        return low;
    }

    // The search's end: the tokens of a range, in shared memory, each compared with all.
    private static float Rank(GuideTokens tokens, ArrayView<float> keys, int low, int high, int start, int count, double target, bool byMass)
    {
        ArrayView<float> memory = tokens.Bins.Memory;
        for (int x = Group.IdxX; x < tokens.Length; x += Group.DimX)
        {
            if (Within(keys[x], low, high) == 0)
                continue;
            memory[start] = keys[x];
            memory[MaxRanked + start] = byMass ? KernelMath.Exp(tokens.Scores[x]) : 1;
            start++;
        }

        Group.Barrier();
        float best = float.NegativeInfinity;
        for (int i = Group.IdxX; i < count; i += Group.DimX)
        {
            float key = memory[i];
            double mass = 0;
            for (int j = 0; j < count; j++)
                mass += memory[j] >= key ? memory[MaxRanked + j] : 0;
            best = mass >= target && key > best ? key : best;
        }

        best = tokens.Reduce.Max(best);
        return best > float.NegativeInfinity ? best : -Interop.IntAsFloat((uint)(high - 1));
    }

    // The least shift that brings all below the length into the bins.
    private static int ShiftFor(int length)
    {
        int shift = 0;
        while (((length - 1) >> shift) >= GuideBins.Count)
            shift++;
        return shift;
    }

    private static float Farther(float farthest, float key) => key > float.NegativeInfinity && -key > farthest ? -key : farthest;

    private static int Magnitude(float key) => (int)(Interop.FloatAsInt(key) & 0x7FFFFFFF);

    private static int Within(float key, int low, int high) =>
        key > float.NegativeInfinity && Magnitude(key) >= low && Magnitude(key) < high ? 1 : 0;
}
