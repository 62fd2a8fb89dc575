using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
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
    private readonly int _bannedBytes;
    private Term* _reference;
    private int _count;
    private int _vocabSize;
    private float _floor;
    private bool _anyBanned;
    private bool _restricted;

    /// <summary>Takes memory for one sequence of up to <paramref name="maxBranches"/> branches.</summary>
    public GuideAndSampleScores(int maxBranches, int vocabSize)
    {
        _terms = new HostBuffer<Term>(maxBranches);
        _bannedBytes = (vocabSize + Lanes - 1) / Lanes;
        _banned = new HostBuffer<byte>(_bannedBytes);
    }

    /// <summary>What a computed score lacks to s + logsumexp(z_r): the value that a repetition penalty acts on.</summary>
    public double ToLogit { get; private set; }

    /// <summary>
    /// Reads the branches, each once, and computes their normalisers; fills the list with the tokens of the mask, scores unset: those that are
    /// allowed and whose reference logit is at least that of the best of them + <paramref name="logAlpha"/>. The list is empty where no allowed token
    /// has a finite logit. False where a logit is NaN or infinite upwards, or a branch has no finite one.
    /// </summary>
    public bool Normalise(
        in GuideRow row, GuideBranch* branches, float* logits, long stride, double logAlpha, GuideAndSampleCandidates candidates)
    {
        _count = row.BranchCount;
        _vocabSize = row.VocabSize;
        _floor = row.Floor;
        _reference = _terms.Data + row.Reference;
        double constant = 0;
        for (int j = 0; j < _count; j++)
        {
            float* z = logits + branches[j].LogitsRow * stride;
            var sum = j == row.Reference ? SumAndMask(z, logAlpha, candidates) : SumOf(z);
            float logSum = sum.LogSum;
            if (!float.IsFinite(sum.Max) || !float.IsFinite(logSum))
                return false;
            _terms.Data[j] = new Term { Logits = z, Max = sum.Max, LogSum = logSum, Branch = branches[j] };
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

    /// <summary>Marks the tokens with a bias of minus infinity, and those without a bit in <paramref name="allowed"/> unless it is empty.</summary>
    public void MarkBans(ReadOnlySpan<TokenBias> biases, ReadOnlySpan<uint> allowed)
    {
        var marks = new Span<byte>(_banned.Data, _bannedBytes);
        _restricted = !allowed.IsEmpty;
        _anyBanned = _restricted;
        if (_restricted)
            TensorPrimitives.OnesComplement(MemoryMarshal.AsBytes(allowed)[..marks.Length], marks);
        foreach (var bias in biases)
        {
            if (!float.IsNegativeInfinity(bias.Bias))
                continue;
            _anyBanned = true;
            marks[bias.Token / Lanes] |= (byte)(1 << (bias.Token % Lanes));
        }
    }

    /// <summary>Clears what <see cref="MarkBans"/> marked: no more than was marked, because a vocabulary is long.</summary>
    public void ClearBans(ReadOnlySpan<TokenBias> biases)
    {
        var marks = new Span<byte>(_banned.Data, _bannedBytes);
        if (_restricted)
            marks.Clear();
        foreach (var bias in biases)
            marks[bias.Token / Lanes] = 0;
    }

    /// <summary>Sets the scores of the list to z_r - Max_r.</summary>
    public void FillByReference(GuideAndSampleCandidates candidates)
    {
        for (int i = 0; i < candidates.Count; i += Lanes)
            (new Listed(candidates.Ids).Load(_reference->Logits, i) - Vector256.Create(_reference->Max)).Store(candidates.Scores + i);
        candidates.Resize(candidates.Count);
    }

    /// <summary>
    /// Sets the scores of the list to guided ones; a branch with ExemptEos takes the reference's value at the tokens of
    /// <paramref name="eosIds"/>.
    /// </summary>
    public void Fill(GuideAndSampleCandidates candidates, ReadOnlySpan<int> eosIds)
    {
        int* ids = candidates.Ids;
        float max = float.NegativeInfinity;
        for (int start = 0; start < candidates.Count; start += BlockSize)
        {
            int count = Math.Min(BlockSize, candidates.Count - start);
            float* scores = candidates.Scores + start;
            new Span<float>(scores, count).Clear();
            bool neighbours = count % Lanes == 0 && ids[start + count - 1] - ids[start] == count - 1;
            for (int j = 0; j < _count; j += _terms.Data[j].Branch.GroupSize)
            {
                if (neighbours)
                    Add(new Neighbours(ids[start]), j, scores, count);
                else
                    Add(new Listed(ids + start), j, scores, count);
            }
            max = MathF.Max(max, Max(scores, count));
        }
        if (MayOverflow())
            RaiseInfinite(candidates);
        candidates.Resize(candidates.Count, max);
        foreach (int token in eosIds)
        {
            int at = candidates.IndexOf(token);
            if (at >= 0)
                candidates.SetScore(at, Score(token, isEos: true));
        }
    }

    /// <summary>The guided score of one token, with the same bits as in the list.</summary>
    public float Score(int token, bool isEos)
    {
        var tokens = new Same(token);
        var score = Vector256<float>.Zero;
        for (int j = 0; j < _count; j += _terms.Data[j].Branch.GroupSize)
        {
            ref var term = ref _terms.Data[j];
            bool exempt = isEos && IsExempt(j);
            var value = term.Branch.GroupSize > 1 ? LogMeanExp(tokens, 0, j, isEos)
                : exempt ? LogProb(tokens, 0, _reference) + Vector256.Create(term.LogSum)
                : tokens.Load(term.Logits, 0) - Vector256.Create(term.Max);
            score = Weighed(value, term, score);
        }
        return score[0];
    }

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

    private OnlineLogSum SumOf(float* z)
    {
        var sum = new OnlineLogSum();
        for (int start = 0; start < _vocabSize; start += BlockSize)
            sum.Add(z + start, Math.Min(BlockSize, _vocabSize - start));
        return sum;
    }

    // The mask's edge rises with the best token so far: few tokens are listed that fall out again at the end.
    private OnlineLogSum SumAndMask(float* z, double logAlpha, GuideAndSampleCandidates candidates)
    {
        var sum = new OnlineLogSum();
        float best = float.NegativeInfinity, edge = float.MinValue;
        bool masked = !double.IsNegativeInfinity(logAlpha);
        int count = 0;
        for (int start = 0; start < _vocabSize; start += BlockSize)
        {
            int end = Math.Min(start + BlockSize, _vocabSize);
            float max = sum.Add(z + start, end - start);
            if (_anyBanned && max >= edge)
                max = MaxAllowed(z, start, end);
            if (max > best)
            {
                best = max;
                edge = MathF.Max(RoundUp(best + logAlpha), float.MinValue);
            }
            if (max >= edge)
                count = List(z, start, end, edge, masked, candidates, count);
        }
        candidates.Resize(count);
        if (count > 0 && masked)
            candidates.Keep(candidates.Scores, edge);
        return sum;
    }

    // Appends the allowed tokens of a block with a logit of at least the edge, and their logits where there is a mask.
    private int List(float* z, int start, int end, float edge, bool masked, GuideAndSampleCandidates candidates, int count)
    {
        byte* banned = _banned.Data;
        int* ids = candidates.Ids;
        float* scores = candidates.Scores;
        var least = Vector256.Create(edge);
        for (int i = start; i < end; i += Lanes)
        {
            var logits = i <= end - Lanes ? Vector256.Load(z + i) : Tail(z, i);
            uint stands = Vector256.GreaterThanOrEqual(logits, least).ExtractMostSignificantBits() & ~(uint)banned[i / Lanes];
            // They are looked at again where the edge may still rise.
            if (masked)
                PackLeft(logits, stands, scores + count);
            count += PackLeft(Vector256<int>.Indices + Vector256.Create(i), stands, ids + count);
        }
        return count;
    }

    // Eight logits from i on, with minus infinity past the end of the vocabulary.
    private Vector256<float> Tail(float* z, int i)
    {
        var logits = Vector256.Create(float.NegativeInfinity);
        for (int lane = 0; i + lane < _vocabSize; lane++)
            logits = logits.WithElement(lane, z[i + lane]);
        return logits;
    }

    // Largest logit of the tokens from start to end that are not banned.
    private float MaxAllowed(float* z, int start, int end)
    {
        byte* banned = _banned.Data;
        var max = Vector256.Create(float.NegativeInfinity);
        float best = float.NegativeInfinity;
        int i = start;
        for (; i <= end - Lanes; i += Lanes)
        {
            if (banned[i / Lanes] == 0)
                max = Vector256.MaxNative(Vector256.Load(z + i), max);
            else if (banned[i / Lanes] != 0xFF)
                Scan(i, i + Lanes);
        }
        Scan(i, end);
        for (int lane = 0; lane < Lanes; lane++)
            best = MathF.Max(best, max[lane]);
        return best;

        void Scan(int first, int last)
        {
            for (int token = first; token < last; token++)
            {
                if (!IsBanned(token))
                    best = MathF.Max(best, z[token]);
            }
        }
    }

    // Adds the weighed term of the branch, or of the group, that begins at j to the scores of a block.
    private void Add<TTokens>(TTokens tokens, int j, float* scores, int count)
        where TTokens : struct, ITokens
    {
        var term = _terms.Data[j];
        var max = Vector256.Create(term.Max);
        for (int i = 0; i < count; i += Lanes)
        {
            var value = term.Branch.GroupSize > 1 ? LogMeanExp(tokens, i, j, isEos: false) : tokens.Load(term.Logits, i) - max;
            Weighed(value, term, Vector256.Load(scores + i)).Store(scores + i);
        }
    }

    // The lowest sum of weighed floors is below what float32 holds.
    private bool MayOverflow()
    {
        double lowest = 0;
        for (int j = 0; j < _count; j += _terms.Data[j].Branch.GroupSize)
        {
            ref readonly var term = ref _terms.Data[j];
            lowest += Math.Min(0, term.Branch.Weight * ((double)_floor + (term.Branch.GroupSize > 1 ? 0 : term.LogSum)));
        }
        return lowest <= float.MinValue;
    }

    // Minus infinity would make the entropy NaN.
    private static void RaiseInfinite(GuideAndSampleCandidates candidates)
    {
        float* scores = candidates.Scores;
        for (int i = 0; i < candidates.Count; i++)
            scores[i] = MathF.Max(scores[i], float.MinValue);
    }

    // score + w max(value, floor), where the values of a single branch still hold its LogSum.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Weighed(Vector256<float> value, in Term term, Vector256<float> score)
    {
        float floor = term.Branch.GroupSize > 1 ? _floor : _floor + term.LogSum;
        return Vector256.FusedMultiplyAdd(Vector256.Create(term.Branch.Weight), Vector256.MaxNative(value, Vector256.Create(floor)), score);
    }

    // log(1/m sum exp l) over the m branches of the group that begins at `first`; minus infinity where every one has it.
    private Vector256<float> LogMeanExp<TTokens>(TTokens tokens, int i, int first, bool isEos)
        where TTokens : struct, ITokens
    {
        Term* terms = _terms.Data;
        int size = terms[first].Branch.GroupSize;
        var max = Vector256.Create(float.MinValue);
        for (int j = first; j < first + size; j++)
            max = Vector256.MaxNative(LogProb(tokens, i, isEos && IsExempt(j) ? _reference : terms + j), max);
        var sum = Vector256<float>.Zero;
        for (int j = first; j < first + size; j++)
            sum += VectorMath.Exp(LogProb(tokens, i, isEos && IsExempt(j) ? _reference : terms + j) - max);
        return max + Vector256.Log(sum / Vector256.Create((float)size));
    }

    private bool IsBanned(int token) => (_banned.Data[token / Lanes] >> (token % Lanes) & 1) != 0;

    private bool IsExempt(int j) => _terms.Data[j].Branch.ExemptEos != 0 && _terms.Data + j != _reference;

    private static Vector256<float> LogProb<TTokens>(TTokens tokens, int i, Term* term)
        where TTokens : struct, ITokens =>
        tokens.Load(term->Logits, i) - Vector256.Create(term->Max) - Vector256.Create(term->LogSum);

    private struct Term
    {
        public float* Logits;
        public float Max;
        public float LogSum;
        public GuideBranch Branch;
    }

    /// <summary>Which tokens a block holds.</summary>
    private interface ITokens
    {
        /// <summary>The numbers of a row of logits at tokens i .. i + 7 of the block.</summary>
        Vector256<float> Load(float* row, int i);
    }

    private readonly struct Neighbours(int first) : ITokens
    {
        public Vector256<float> Load(float* row, int i) => Vector256.Load(row + first + i);
    }

    private readonly struct Same(int token) : ITokens
    {
        public Vector256<float> Load(float* row, int i) => Vector256.Create(row[token]);
    }

    private readonly struct Listed(int* ids) : ITokens
    {
        public Vector256<float> Load(float* row, int i) => Vector256.Create(
            row[ids[i]], row[ids[i + 1]], row[ids[i + 2]], row[ids[i + 3]],
            row[ids[i + 4]], row[ids[i + 5]], row[ids[i + 6]], row[ids[i + 7]]);
    }
}
