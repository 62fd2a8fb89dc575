using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The scores of one sequence's tokens, shared by the threads of a group: thread t has places t, t + threads and so on. Minus infinity marks a token
/// that does not stand, and the places behind the last. Every thread calls every method. Sums are of four numbers in float32, and of those in
/// float64.
/// </summary>
internal readonly struct GuideTokens(
    GroupReduce reduce, GuideBins bins, ArrayView<float> scores, ArrayView<float> keys, ArrayView<int> ids, int length, int listed)
{
    /// <summary>Places that a row of memory has beyond its tokens: turns are whole, and so are those that begin in the middle.</summary>
    public const int Padding = 8 * GroupReduce.MaxThreads;

    /// <summary>Most tokens that are made a list.</summary>
    public const int MaxListed = GuideBins.Cells;

    /// <summary>The group.</summary>
    public readonly GroupReduce Reduce = reduce;

    /// <summary>Memory of <see cref="GuideSearch"/>.</summary>
    public readonly GuideBins Bins = bins;

    /// <summary>Score at each place.</summary>
    public readonly ArrayView<float> Scores = scores;

    /// <summary>What tokens are ordered by where that is not the score.</summary>
    public readonly ArrayView<float> Keys = keys;

    /// <summary>Places in use.</summary>
    public readonly int Length = length;

    private readonly ArrayView<int> _ids = ids;
    private readonly int _listed = listed;

    /// <summary>Places of a turn: a thread's four reads are on their way at once.</summary>
    public static int Turn => 4 * Group.DimX;

    /// <summary>This thread's numbers of the turn in which it has place x first.</summary>
    public static Floats4 Load(ArrayView<float> values, int x) =>
        new() { X = values[x], Y = values[x + Group.DimX], Z = values[x + (2 * Group.DimX)], W = values[x + (3 * Group.DimX)] };

    /// <summary>The token at a place; token 0 behind the last place.</summary>
    public int Id(int x) => x >= Length ? 0 : _listed != 0 ? _ids[x] : x;

    /// <summary>Writes this thread's scores of a turn.</summary>
    public void Store(int x, Floats4 scores)
    {
        Scores[x] = scores.X;
        Scores[x + Group.DimX] = scores.Y;
        Scores[x + (2 * Group.DimX)] = scores.Z;
        Scores[x + (3 * Group.DimX)] = scores.W;
    }

    /// <summary>
    /// Counts the tokens that stand; few of them are made a list, in order of id, so that what follows need not look through all. Many stay where
    /// they are.
    /// </summary>
    public GuideTokens Compact(out int count)
    {
        int own = CountOwn(), start = (int)Reduce.SumBefore(own, out double all);
        count = (int)all;
        if (count > MaxListed)
            return this;
        ArrayView<float> memory = Bins.Memory;
        for (int x = Group.IdxX; x < Length && own > 0; x += Group.DimX)
        {
            if (Stands(Scores[x]) == 0)
                continue;
            memory[start] = Interop.IntAsFloat((uint)Id(x));
            memory[MaxListed + start] = Scores[x];
            start++;
            own--;
        }

        Group.Barrier();
        for (int i = Group.IdxX; i < count; i += Group.DimX)
        {
            int id = (int)Interop.FloatAsInt(memory[i]), place = 0;
            for (int j = 0; j < count; j++)
                place += (int)Interop.FloatAsInt(memory[j]) < id ? 1 : 0;
            _ids[place] = id;
            Scores[place] = memory[MaxListed + i];
        }

        for (int x = count + Group.IdxX; x < count + Turn; x += Group.DimX)
            Scores[x] = float.NegativeInfinity;
        Group.Barrier();
        return new GuideTokens(Reduce, Bins, Scores, Keys, _ids, count, listed: 1);
    }

    /// <summary>Whether a token stands.</summary>
    public bool Holds(int token)
    {
        int found = 0;
        for (int x = Group.IdxX; x < Length; x += Group.DimX)
            found += Id(x) == token ? Stands(Scores[x]) : 0;
        return Reduce.Sum(found) > 0;
    }

    /// <summary>Keeps the tokens whose key is at least the threshold.</summary>
    public void Keep(ArrayView<float> keys, float threshold)
    {
        for (int x = Group.IdxX; x < Length; x += Turn)
        {
            Floats4 s = Load(Scores, x), key = Load(keys, x);
            Store(x, new Floats4
            {
                X = key.X >= threshold ? s.X : float.NegativeInfinity,
                Y = key.Y >= threshold ? s.Y : float.NegativeInfinity,
                Z = key.Z >= threshold ? s.Z : float.NegativeInfinity,
                W = key.W >= threshold ? s.W : float.NegativeInfinity,
            });
        }
    }

    /// <summary>Keeps the tokens whose score is above the threshold, and the first <paramref name="ties"/> of those that equal it.</summary>
    public void KeepAbove(float threshold, int ties)
    {
        int equal = 0;
        for (int x = Group.IdxX; x < Length; x += Turn)
        {
            Floats4 s = Load(Scores, x);
            equal += (s.X == threshold ? 1 : 0) + (s.Y == threshold ? 1 : 0) + (s.Z == threshold ? 1 : 0) + (s.W == threshold ? 1 : 0);
        }

        Keep(Scores, threshold);
        if (Reduce.Sum(equal) <= ties)
            return;
        int last = GuideSearch.Place(this, ties - 0.5, equals: true, threshold);
        for (int x = Group.IdxX; x < Length; x += Group.DimX)
        {
            if (x > last && Scores[x] == threshold)
                Scores[x] = float.NegativeInfinity;
        }
    }

    /// <summary>score = (score - max) / temperature where a token stands; returns the sum of exp(score).</summary>
    public double Rescale(float max, float temperature)
    {
        double mass = 0;
        for (int x = Group.IdxX; x < Length; x += Turn)
        {
            Floats4 s = Load(Scores, x);
            s = new Floats4
            {
                X = Scaled(s.X, max, temperature),
                Y = Scaled(s.Y, max, temperature),
                Z = Scaled(s.Z, max, temperature),
                W = Scaled(s.W, max, temperature),
            };
            Store(x, s);
            mass += Exp(s).Sum;
        }

        return Reduce.Sum(mass);
    }

    /// <summary>The place of the best token behind the given one in order of score, lower places first where equal; -1 where none is left.</summary>
    public int Next(float score, int place)
    {
        float best = float.NegativeInfinity;
        int at = int.MaxValue;
        for (int x = Group.IdxX; x < Length; x += Turn)
        {
            Floats4 s = Load(Scores, x);
            for (int i = 0; i < 4; i++)
            {
                int own = x + (i * Group.DimX);
                if (s[i] > best && (s[i] < score || (s[i] == score && own > place)))
                    (best, at) = (s[i], own);
            }
        }

        float first = Reduce.Max(best);
        int next = Reduce.Min(best == first ? at : int.MaxValue);
        return next < int.MaxValue ? next : -1;
    }

    /// <summary>Largest score.</summary>
    public float Max()
    {
        float max = float.NegativeInfinity;
        for (int x = Group.IdxX; x < Length; x += Turn)
            max = KernelMath.Larger(max, Load(Scores, x).Max);
        return Reduce.Max(max);
    }

    /// <summary>Tokens that stand.</summary>
    public int Count() => (int)Reduce.Sum(CountOwn());

    /// <summary>Sum of exp(score).</summary>
    public double Mass() => MassAbove(float.NegativeInfinity);

    /// <summary>Sum of exp(score) of scores that are above the given one.</summary>
    public double MassAbove(float threshold)
    {
        double mass = 0;
        for (int x = Group.IdxX; x < Length; x += Turn)
        {
            Floats4 s = Load(Scores, x), e = Exp(s);
            mass += new Floats4
            {
                X = s.X > threshold ? e.X : 0, Y = s.Y > threshold ? e.Y : 0, Z = s.Z > threshold ? e.Z : 0, W = s.W > threshold ? e.W : 0,
            }.Sum;
        }

        return Reduce.Sum(mass);
    }

    /// <summary>Entropy in nats of the softmax of the scores, and the sum of exp(score).</summary>
    public float Entropy(out double mass)
    {
        double own = 0, weighted = 0;
        for (int x = Group.IdxX; x < Length; x += Turn)
        {
            Floats4 s = Load(Scores, x), e = Exp(s);
            own += e.Sum;
            weighted += new Floats4
            {
                X = e.X > 0 ? e.X * s.X : 0, Y = e.Y > 0 ? e.Y * s.Y : 0, Z = e.Z > 0 ? e.Z * s.Z : 0, W = e.W > 0 ? e.W * s.W : 0,
            }.Sum;
        }

        mass = Reduce.Sum(own);
        weighted = Reduce.Sum(weighted);
        float entropy = MathF.Log((float)mass) - (float)(weighted / mass);
        return entropy > 0 ? entropy : 0;
    }

    /// <summary>Standard deviation of the scores that stand, as of a population.</summary>
    public float StandardDeviation()
    {
        double sum = 0, squares = 0;
        int count = Count();
        for (int x = Group.IdxX; x < Length; x += Group.DimX)
            sum += Stands(Scores[x]) != 0 ? Scores[x] : 0;
        double mean = Reduce.Sum(sum) / count;
        for (int x = Group.IdxX; x < Length; x += Group.DimX)
        {
            double difference = Stands(Scores[x]) != 0 ? Scores[x] - mean : 0;
            squares += difference * difference;
        }

        return MathF.Sqrt((float)(Reduce.Sum(squares) / count));
    }

    /// <summary>exp of each.</summary>
    public static Floats4 Exp(Floats4 s) =>
        new() { X = KernelMath.Exp(s.X), Y = KernelMath.Exp(s.Y), Z = KernelMath.Exp(s.Z), W = KernelMath.Exp(s.W) };

    // This thread's tokens that stand.
    private int CountOwn()
    {
        int count = 0;
        for (int x = Group.IdxX; x < Length; x += Turn)
        {
            Floats4 s = Load(Scores, x);
            count += Stands(s.X) + Stands(s.Y) + Stands(s.Z) + Stands(s.W);
        }

        return count;
    }

    private static int Stands(float score) => score > float.NegativeInfinity ? 1 : 0;

    private static float Scaled(float score, float max, float temperature)
    {
        if (score == float.NegativeInfinity)
            return score;
        float scaled = (score - max) / temperature;
        return scaled > float.MinValue ? scaled : float.MinValue;
    }
}
