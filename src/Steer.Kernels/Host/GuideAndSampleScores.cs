using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static Steer.Kernels.Host.GuideAndSampleMath;

namespace Steer.Kernels.Host;

/// <summary>
/// Guided scores of one sequence: its branches' normalisers, the mask and s. With l_j = z_j - Max_j - LogSum_j, scores are computed as
/// sum_j w_j max(z_j - Max_j, Floor + LogSum_j), which is s + sum_j w_j LogSum_j: a constant more, which no probability sees, and one
/// rounding less, so that with a single branch of weight 1 the order of the scores is exactly that of the logits.
/// </summary>
internal sealed unsafe class GuideAndSampleScores : IDisposable
{
    private readonly HostBuffer<Term> _terms;
    private readonly HostBuffer<byte> _banned;
    private Term* _reference;
    private int _count;
    private int _vocabSize;
    private float _floor;

    /// <summary>Takes memory for one sequence of up to <paramref name="maxBranches"/> branches.</summary>
    public GuideAndSampleScores(int maxBranches, int vocabSize)
    {
        _terms = new HostBuffer<Term>(maxBranches);
        _banned = new HostBuffer<byte>(vocabSize / Lanes + 1);
    }

    /// <summary>What a computed score lacks to s + logsumexp(z_r): the value that a repetition penalty acts on.</summary>
    public double ToLogit { get; private set; }

    /// <summary>Reads the branches and computes their normalisers; false where a logit is NaN or infinite upwards, or a branch has no finite one.</summary>
    public bool Normalise(in GuideRow row, GuideBranch* branches, float* logits, long stride)
    {
        _count = row.BranchCount;
        _vocabSize = row.VocabSize;
        _floor = row.Floor;
        _reference = _terms.Data + row.Reference;
        double constant = 0;
        for (int j = 0; j < _count; j++)
        {
            float* z = logits + branches[j].LogitsRow * stride;
            float max = Max(z, _vocabSize);
            float logSum = LogSumExp(z, _vocabSize, max);
            if (!float.IsFinite(max) || !float.IsFinite(logSum))
                return false;
            _terms.Data[j] = new Term { Logits = z, Max = max, LogSum = logSum, Branch = branches[j] };
            if (branches[j].GroupSize == 1)
                constant += (double)branches[j].Weight * logSum;
        }
        ToLogit = (double)_reference->Max + _reference->LogSum - constant;
        return true;
    }

    /// <summary>Log-probability of a token in branch j, as the branch gives it.</summary>
    public float BranchLogProb(int j, int token)
    {
        ref var term = ref _terms.Data[j];
        return term.Logits[token] - term.Max - term.LogSum;
    }

    /// <summary>Sets or clears the mark of every banned token.</summary>
    public void MarkBans(ReadOnlySpan<TokenBias> biases, bool banned)
    {
        foreach (var bias in biases)
        {
            if (!float.IsNegativeInfinity(bias.Bias))
                continue;
            ref byte eight = ref _banned.Data[bias.Token / Lanes];
            int bit = 1 << (bias.Token % Lanes);
            eight = (byte)(banned ? eight | bit : eight & ~bit);
        }
    }

    /// <summary>
    /// Fills the list with the allowed tokens whose reference logit is at least max + <paramref name="logAlpha"/>, with that
    /// logit less the largest one as their score; the list is empty where no allowed token has a finite logit.
    /// </summary>
    public void FillByReference(GuideAndSampleCandidates candidates, double logAlpha)
    {
        float* z = _reference->Logits;
        float max = MaxAllowed();
        float lowest = MathF.Max(RoundUp(max + logAlpha), float.MinValue);
        var edge = Vector256.Create(lowest);
        var offset = Vector256.Create(max);
        var iota = Vector256<int>.Indices;
        byte* banned = _banned.Data;
        int* ids = candidates.Ids;
        float* scores = candidates.Scores;
        int count = 0;
        for (int i = 0; i < _vocabSize; i += Lanes)
        {
            var logits = i <= _vocabSize - Lanes ? Vector256.Load(z + i) : Tail(z, i);
            uint stands = Vector256.GreaterThanOrEqual(logits, edge).ExtractMostSignificantBits() & ~(uint)banned[i / Lanes];
            count += PackLeft(
                (iota + Vector256.Create(i)).AsSingle(), logits - offset, stands, (float*)(ids + count), scores + count);
        }
        candidates.Resize(count);
    }

    /// <summary>Replaces the scores of the list by guided ones; a branch with ExemptEos takes the reference's value at the tokens of <paramref name="eosIds"/>.</summary>
    public void Fill(GuideAndSampleCandidates candidates, ReadOnlySpan<int> eosIds)
    {
        int* ids = candidates.Ids;
        float* scores = candidates.Scores;
        for (int i = 0; i < candidates.Count; i += Lanes)
        {
            // Padding has id 0, so the last eight are neighbours only where all of them are tokens of the list.
            var eight = ids[i + Lanes - 1] - ids[i] == Lanes - 1
                ? Score(new Neighbours(ids[i]), exempt: false)
                : Score(new Listed(ids + i), exempt: false);
            eight.Store(scores + i);
        }
        foreach (int token in eosIds)
        {
            int at = candidates.IndexOf(token);
            if (at >= 0)
                scores[at] = Score(token, isEos: true);
        }
        candidates.Resize(candidates.Count);
    }

    /// <summary>The guided score of one token, with the same bits as in the list.</summary>
    public float Score(int token, bool isEos) => Score(new Neighbour(token), isEos)[0];

    /// <summary>The lowest id that is not banned; 0 where all are.</summary>
    public int LowestAllowed(int vocabSize)
    {
        for (int token = 0; token < vocabSize; token++)
        {
            if (!IsBanned(token))
                return token;
        }
        return 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _terms.Dispose();
        _banned.Dispose();
    }

    // Eight logits from i on, with minus infinity past the end of the vocabulary.
    private Vector256<float> Tail(float* z, int i)
    {
        var logits = Vector256.Create(float.NegativeInfinity);
        for (int lane = 0; i + lane < _vocabSize; lane++)
            logits = logits.WithElement(lane, z[i + lane]);
        return logits;
    }

    // Largest reference logit over tokens that are not banned.
    private float MaxAllowed()
    {
        float* z = _reference->Logits;
        byte* banned = _banned.Data;
        var max = Vector256.Create(float.NegativeInfinity);
        float best = float.NegativeInfinity;
        int i = 0;
        for (; i <= _vocabSize - Lanes; i += Lanes)
        {
            if (banned[i / Lanes] == 0)
                max = Vector256.MaxNative(Vector256.Load(z + i), max);
            else if (banned[i / Lanes] != 0xFF)
                Scan(i, i + Lanes);
        }
        Scan(i, _vocabSize);
        for (int lane = 0; lane < Lanes; lane++)
            best = MathF.Max(best, max[lane]);
        return best;

        void Scan(int start, int end)
        {
            for (int token = start; token < end; token++)
            {
                if (!IsBanned(token))
                    best = MathF.Max(best, z[token]);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Score<TTokens>(TTokens tokens, bool exempt)
        where TTokens : struct, ITokens
    {
        var score = Vector256<float>.Zero;
        var floor = Vector256.Create(_floor);
        Term* terms = _terms.Data;
        for (int j = 0; j < _count; j += terms[j].Branch.GroupSize)
        {
            ref var term = ref terms[j];
            var weight = Vector256.Create(term.Branch.Weight);
            if (term.Branch.GroupSize == 1)
            {
                var logSum = Vector256.Create(term.LogSum);
                var shifted = exempt && IsExempt(j)
                    ? LogProb(tokens, _reference) + logSum
                    : tokens.Load(term.Logits) - Vector256.Create(term.Max);
                score = Vector256.FusedMultiplyAdd(weight, Vector256.MaxNative(shifted, floor + logSum), score);
            }
            else
            {
                score = Vector256.FusedMultiplyAdd(weight, Vector256.MaxNative(LogMeanExp(tokens, j, exempt), floor), score);
            }
        }
        return score;
    }

    // log(1/m sum exp l) over the m branches of the group that begins at `first`; minus infinity where every one has it.
    private Vector256<float> LogMeanExp<TTokens>(TTokens tokens, int first, bool exempt)
        where TTokens : struct, ITokens
    {
        Term* terms = _terms.Data;
        int size = terms[first].Branch.GroupSize;
        var max = Vector256.Create(float.MinValue);
        for (int j = first; j < first + size; j++)
            max = Vector256.MaxNative(LogProb(tokens, exempt && IsExempt(j) ? _reference : terms + j), max);
        var sum = Vector256<float>.Zero;
        for (int j = first; j < first + size; j++)
            sum += Exp(LogProb(tokens, exempt && IsExempt(j) ? _reference : terms + j) - max);
        return max + Vector256.Log(sum / Vector256.Create((float)size));
    }

    private bool IsBanned(int token) => (_banned.Data[token / Lanes] >> (token % Lanes) & 1) != 0;

    private bool IsExempt(int j) => _terms.Data[j].Branch.ExemptEos != 0 && _terms.Data + j != _reference;

    private static Vector256<float> LogProb<TTokens>(TTokens tokens, Term* term)
        where TTokens : struct, ITokens =>
        tokens.Load(term->Logits) - Vector256.Create(term->Max) - Vector256.Create(term->LogSum);

    private struct Term
    {
        public float* Logits;
        public float Max;
        public float LogSum;
        public GuideBranch Branch;
    }

    /// <summary>Which eight tokens a vector holds.</summary>
    private interface ITokens
    {
        Vector256<float> Load(float* row);
    }

    private readonly struct Neighbours(int first) : ITokens
    {
        public Vector256<float> Load(float* row) => Vector256.Load(row + first);
    }

    private readonly struct Neighbour(int token) : ITokens
    {
        public Vector256<float> Load(float* row) => Vector256.Create(row[token]);
    }

    private readonly struct Listed(int* ids) : ITokens
    {
        public Vector256<float> Load(float* row) => Vector256.Create(
            row[ids[0]], row[ids[1]], row[ids[2]], row[ids[3]], row[ids[4]], row[ids[5]], row[ids[6]], row[ids[7]]);
    }
}
