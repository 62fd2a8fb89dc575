using System.Runtime.Intrinsics;
using static Steer.Kernels.Host.GuideAndSampleMath;

namespace Steer.Kernels.Host;

/// <summary>The tokens that still stand in one guided step, ascending by id, each with its score.</summary>
internal sealed unsafe class GuideAndSampleCandidates : IDisposable
{
    private readonly HostBuffer<int> _ids;
    private readonly HostBuffer<float> _scores;
    private readonly HostBuffer<double> _blockMasses;
    private float _max;
    private bool _summed;
    private double _mass;
    private double _entropy;

    /// <summary>Takes memory for up to <paramref name="vocabSize"/> tokens.</summary>
    public GuideAndSampleCandidates(int vocabSize)
    {
        _ids = new HostBuffer<int>(vocabSize + Stride);
        _scores = new HostBuffer<float>(vocabSize + Stride);
        _blockMasses = new HostBuffer<double>(vocabSize / BlockSize + 1);
    }

    /// <summary>Tokens in the list.</summary>
    public int Count { get; private set; }

    /// <summary>Ids, ascending; padded with 0 to a multiple of the stride.</summary>
    public int* Ids => _ids.Data;

    /// <summary>Scores; padded with the lowest float to a multiple of the stride.</summary>
    public float* Scores => _scores.Data;

    /// <summary>Sum of exp(score), see <see cref="Rescale"/>.</summary>
    public double Mass
    {
        get
        {
            Sum();
            return _mass;
        }
    }

    /// <summary>Entropy in nats of the softmax of the scores.</summary>
    public double Entropy
    {
        get
        {
            Sum();
            return _entropy;
        }
    }

    /// <summary>Says that the first <paramref name="count"/> entries were written, and pads them.</summary>
    /// <param name="count">Tokens.</param>
    /// <param name="max">The largest score, where it is known.</param>
    public void Resize(int count, float max = float.NaN)
    {
        _max = max;
        Count = count;
        int padded = (count + Stride - 1) / Stride * Stride;
        new Span<int>(Ids + count, padded - count).Clear();
        new Span<float>(Scores + count, padded - count).Fill(float.MinValue);
        _summed = false;
    }

    /// <summary>Says that scores were changed.</summary>
    public void Touch()
    {
        _max = float.NaN;
        _summed = false;
    }

    /// <summary>Changes the score of entry <paramref name="at"/>.</summary>
    public void SetScore(int at, float score)
    {
        if (score == Scores[at])
            return;
        Scores[at] = score;
        Touch();
    }

    /// <summary>Where <paramref name="token"/> stands in the list; negative if it does not.</summary>
    public int IndexOf(int token) => new ReadOnlySpan<int>(Ids, Count).BinarySearch(token);

    /// <summary>Largest score.</summary>
    public float Max()
    {
        if (float.IsNaN(_max))
            _max = GuideAndSampleMath.Max(Scores, Count);
        return _max;
    }

    /// <summary>The token with the largest score, the lowest id where several have it.</summary>
    public int Best() => Ids[new ReadOnlySpan<float>(Scores, Count).IndexOf(Max())];

    /// <summary>
    /// score = (score - max) / temperature with the largest score, so that the best token has exactly 0 and <see cref="Mass"/> cannot overflow.
    /// </summary>
    public void Rescale(float max, float temperature)
    {
        if (max == 0 && temperature == 1)
            return;
        float* scores = Scores;
        var offset = Vector256.Create(max);
        var divisor = Vector256.Create(temperature);
        var lowest = Vector256.Create(float.MinValue);
        for (int i = 0; i < Count; i += Lanes)
            Vector256.MaxNative((Vector256.Load(scores + i) - offset) / divisor, lowest).Store(scores + i);
        Resize(Count, max: 0);
    }

    /// <summary>
    /// Keeps the tokens whose key is above <paramref name="threshold"/>, and the first <paramref name="ties"/> of those that equal it.
    /// </summary>
    /// <param name="keys">A key for each token, the scores themselves or other numbers, readable up to a multiple of eight.</param>
    /// <param name="threshold">Must not exceed the largest key.</param>
    /// <param name="ties">How many that equal the threshold stay, lowest ids first.</param>
    public void Keep(float* keys, float threshold, int ties = int.MaxValue)
    {
        int* ids = Ids;
        float* scores = Scores;
        var edge = Vector256.Create(threshold);
        int kept = 0;
        for (int i = 0; i < Count; i += Lanes)
        {
            var key = Vector256.Load(keys + i);
            uint keep = Vector256.GreaterThan(key, edge).ExtractMostSignificantBits();
            uint equal = Vector256.Equals(key, edge).ExtractMostSignificantBits() & FirstLanes(Count - i);
            if (ties < Count)
                equal = FirstBits(equal, ref ties);
            keep = (keep & FirstLanes(Count - i)) | equal;
            // Writes never run ahead of reads.
            var eightIds = Vector256.Load(ids + i);
            var eightScores = Vector256.Load(scores + i);
            PackLeft(eightIds, keep, ids + kept);
            kept += PackLeft(eightScores, keep, scores + kept);
        }
        bool summed = _summed && kept == Count;
        Resize(kept, keys == scores ? _max : float.NaN);
        _summed = summed;
    }

    /// <summary>The token at which the cumulative distribution, in order of id, passes <paramref name="uniform"/> in [0, 1).</summary>
    public int Draw(double uniform)
    {
        Sum();
        double target = uniform * _mass, reached = 0;
        int blocks = (Count + BlockSize - 1) / BlockSize, block = 0;
        // The last block with mass takes what rounding leaves over.
        int lastBlock = blocks - 1;
        while (_blockMasses.Data[lastBlock] == 0)
            lastBlock--;
        for (; block < lastBlock && reached + _blockMasses.Data[block] <= target; block++)
            reached += _blockMasses.Data[block];

        int end = Math.Min((block + 1) * BlockSize, Count), token = -1;
        for (int start = block * BlockSize; start < end; start += Lanes)
        {
            var masses = VectorMath.Exp(Vector256.Load(Scores + start));
            for (int lane = 0; lane < Lanes && start + lane < end; lane++)
            {
                if (masses[lane] == 0)
                    continue;
                token = Ids[start + lane];
                reached += masses[lane];
                if (reached > target)
                    return token;
            }
        }
        return token;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ids.Dispose();
        _scores.Dispose();
        _blockMasses.Dispose();
    }

    // The lowest of the bits, as many as are left to give.
    private static uint FirstBits(uint bits, ref int left)
    {
        uint taken = 0;
        for (; bits != 0 && left > 0; bits &= bits - 1, left--)
            taken |= bits & (0 - bits);
        return taken;
    }

    private void Sum()
    {
        if (_summed)
            return;
        double mass = 0, weighted = 0;
        float* scores = Scores;
        double* blockMasses = _blockMasses.Data;
        for (int start = 0; start < Count; start += BlockSize)
        {
            Vector256<float> m0 = default, m1 = default, m2 = default, m3 = default;
            Vector256<float> w0 = default, w1 = default, w2 = default, w3 = default;
            int end = Math.Min(start + BlockSize, Count);
            for (int i = start; i < end; i += Stride)
            {
                var x0 = Vector256.Load(scores + i);
                var x1 = Vector256.Load(scores + i + Lanes);
                var x2 = Vector256.Load(scores + i + 2 * Lanes);
                var x3 = Vector256.Load(scores + i + 3 * Lanes);
                var e0 = VectorMath.Exp(x0);
                var e1 = VectorMath.Exp(x1);
                var e2 = VectorMath.Exp(x2);
                var e3 = VectorMath.Exp(x3);
                m0 += e0;
                m1 += e1;
                m2 += e2;
                m3 += e3;
                w0 = Vector256.FusedMultiplyAdd(e0, x0, w0);
                w1 = Vector256.FusedMultiplyAdd(e1, x1, w1);
                w2 = Vector256.FusedMultiplyAdd(e2, x2, w2);
                w3 = Vector256.FusedMultiplyAdd(e3, x3, w3);
            }
            double blockMass = GuideAndSampleMath.Sum(m0, m1, m2, m3);
            blockMasses[start / BlockSize] = blockMass;
            mass += blockMass;
            weighted += GuideAndSampleMath.Sum(w0, w1, w2, w3);
        }
        _mass = mass;
        _entropy = Math.Max(Math.Log(mass) - weighted / mass, 0);
        _summed = true;
    }
}
