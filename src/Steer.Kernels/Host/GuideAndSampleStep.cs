using System.Numerics;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>One guided step of one sequence, with the memory it needs; used by one thread at a time.</summary>
internal sealed unsafe class GuideAndSampleStep : IDisposable
{
    private readonly GuideBatch _batch;
    private readonly GuideAndSampleScores _scores;
    private readonly GuideAndSampleSelect _select;
    private readonly GuideAndSampleTruncation _truncation;

    /// <summary>Takes memory for any sequence of the batch.</summary>
    public GuideAndSampleStep(GuideBatch batch)
    {
        _batch = batch;
        _scores = new GuideAndSampleScores((int)batch.Branches.Length, batch.VocabSize);
        _select = new GuideAndSampleSelect(batch.VocabSize + GuideAndSampleMath.Stride);
        Candidates = new GuideAndSampleCandidates(batch.VocabSize);
        _truncation = new GuideAndSampleTruncation(Candidates, _select);
    }

    /// <summary>After a step that was not greedy: the tokens it drew from, with scores whose softmax is the distribution.</summary>
    public GuideAndSampleCandidates Candidates { get; }

    private ReadOnlySpan<int> EosIds => new(HostMatrix.Pointer(_batch.EosIds), _batch.EosCount);

    /// <summary>Does the step of sequence <paramref name="sequence"/> of the batch.</summary>
    public void Run(int sequence)
    {
        ref readonly var row = ref HostMatrix.Pointer(_batch.Rows)[sequence];
        var biases = new ReadOnlySpan<TokenBias>(HostMatrix.Pointer(_batch.Biases) + row.BiasStart, row.BiasCount);
        var firstAlternative = HostMatrix.Pointer(_batch.Alternatives) + (long)sequence * _batch.MaxAlternatives;
        var alternatives = new Span<TokenLogProb>(firstAlternative, row.Alternatives);
        int* counts = row.PenaltySlot >= 0 ? HostMatrix.Pointer(_batch.PenaltyCounts) + (long)row.PenaltySlot * _batch.VocabSize : null;
        float* branchLogProbs = HostMatrix.Pointer(_batch.BranchLogProbs) + row.BranchStart;

        var allowed = new ReadOnlySpan<uint>(
            HostMatrix.Pointer(_batch.AllowedTokens) + (long)sequence * _batch.AllowedWords, row.Restricted != 0 ? _batch.AllowedWords : 0);
        _scores.MarkBans(biases, allowed);
        bool valid = Guide(row, biases, counts, alternatives, out var result);
        if (!valid)
            result = Fail(row, alternatives);
        _scores.ClearBans(biases);

        for (int j = 0; j < row.BranchCount; j++)
            branchLogProbs[j] = valid ? _scores.BranchLogProb(j, result.Token) : float.NegativeInfinity;
        if (valid && counts != null)
            counts[result.Token]++;
        HostMatrix.Pointer(_batch.Results)[sequence] = result;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _scores.Dispose();
        _select.Dispose();
        Candidates.Dispose();
    }

    // The whole step in its order; false where there is no distribution to draw from.
    private bool Guide(
        in GuideRow row, ReadOnlySpan<TokenBias> biases, int* counts, Span<TokenLogProb> alternatives, out GuideResult result)
    {
        result = default;
        var branches = HostMatrix.Pointer(_batch.Branches) + row.BranchStart;
        // The mask by mass needs all tokens first.
        double logAlpha = row.NucleusMass > 0 ? double.NegativeInfinity : Math.Log(row.Alpha);
        var logits = HostMatrix.Of(_batch.Logits);
        if (!_scores.Normalise(row, branches, logits.Data, logits.Stride, logAlpha, Candidates) || !FillMask(row, out double targetEntropy))
            return false;

        float max = Candidates.Max();
        if (!float.IsFinite(max))
            return false;
        Candidates.Rescale(max, 1);
        double logMass = Math.Log(Candidates.Mass);
        ReportAlternatives(alternatives, logMass);
        result.MaskSize = Candidates.Count;
        bool inMask = row.ForcedToken < 0 || Candidates.IndexOf(row.ForcedToken) >= 0;

        if (!AddBiases(biases))
            return false;
        if (counts != null)
            Penalise(row, counts, max + _scores.ToLogit);
        float best = Candidates.Max();
        if (!float.IsFinite(best))
            return false;
        if (row.Temperature == 0)
        {
            result.Token = Candidates.Best();
            result.Kept = 1;
        }
        else
        {
            result.Temperature = row.Temperature;
            if (row.TargetEntropy != 0)
            {
                Candidates.Rescale(best, 1);
                best = 0;
                result.Temperature = GuideAndSampleTemperature.Solve(Candidates, targetEntropy);
            }
            Candidates.Rescale(best, result.Temperature);
            _truncation.Apply(row);
            result.Token = Candidates.Draw(Philox.Uniform(row.Seed, row.Step));
            result.Kept = Candidates.Count;
            result.Entropy = (float)Candidates.Entropy;
        }
        if (row.ForcedToken >= 0)
            result.Token = row.ForcedToken;
        result.LogProb = inMask
            ? (float)(_scores.Score(result.Token, EosIds.Contains(result.Token)) - max - logMass)
            : float.NegativeInfinity;
        return true;
    }

    // V with its guided scores, and the entropy to reach where one is asked for; false where V is empty.
    private bool FillMask(in GuideRow row, out double targetEntropy)
    {
        targetEntropy = row.TargetEntropy;
        if (Candidates.Count == 0)
            return false;
        if (row.NucleusMass > 0 && row.NucleusMass < 1)
        {
            _scores.FillByReference(Candidates);
            Candidates.Rescale(Candidates.Max(), 1);
            _truncation.TopP(row.NucleusMass);
        }
        if (targetEntropy < 0)
        {
            _scores.FillByReference(Candidates);
            Candidates.Rescale(Candidates.Max(), 1);
            targetEntropy = Candidates.Entropy;
        }
        _scores.Fill(Candidates, EosIds);
        return true;
    }

    // The best tokens of V by guided log-probability, and -1 where V has fewer.
    private void ReportAlternatives(Span<TokenLogProb> alternatives, double logMass)
    {
        alternatives.Fill(new TokenLogProb { Token = -1, LogProb = float.NegativeInfinity });
        var best = alternatives[..Math.Min(alternatives.Length, Candidates.Count)];
        if (best.IsEmpty)
            return;
        float threshold = best.Length < Candidates.Count ? _truncation.KthLargest(best.Length) : float.MinValue;
        // All above the threshold, then the lowest ids of those that equal it.
        int found = 0;
        for (int i = 0; i < Candidates.Count; i += GuideAndSampleMath.Lanes)
            found = Collect(i, Vector256.GreaterThan(Vector256.Load(Candidates.Scores + i), Vector256.Create(threshold)), best, found);
        for (int i = 0; i < Candidates.Count && found < best.Length; i += GuideAndSampleMath.Lanes)
            found = Collect(i, Vector256.Equals(Vector256.Load(Candidates.Scores + i), Vector256.Create(threshold)), best, found);
        foreach (ref var token in best)
            token.LogProb = (float)(token.LogProb - logMass);
        best.Sort(static (a, b) => a.LogProb != b.LogProb ? b.LogProb.CompareTo(a.LogProb) : a.Token.CompareTo(b.Token));
    }

    // Appends the marked ones of eight candidates while there is room.
    private int Collect(int start, Vector256<float> marks, Span<TokenLogProb> to, int found)
    {
        uint bits = marks.ExtractMostSignificantBits() & GuideAndSampleMath.FirstLanes(Candidates.Count - start);
        for (; bits != 0 && found < to.Length; bits &= bits - 1)
        {
            int at = start + BitOperations.TrailingZeroCount(bits);
            to[found++] = new TokenLogProb { Token = Candidates.Ids[at], LogProb = Candidates.Scores[at] };
        }
        return found;
    }

    // False where a sum is not a number to go on with.
    private bool AddBiases(ReadOnlySpan<TokenBias> biases)
    {
        bool finite = true;
        foreach (var bias in biases)
        {
            int at = Candidates.IndexOf(bias.Token);
            if (at < 0)
                continue;
            Candidates.Scores[at] += bias.Bias;
            finite &= float.IsFinite(Candidates.Scores[at]);
            Candidates.Touch();
        }
        return finite;
    }

    // toLogit: what makes of a score the logit that a repetition penalty acts on.
    private void Penalise(in GuideRow row, int* counts, double toLogit)
    {
        if (row.RepetitionPenalty == 1 && row.FrequencyPenalty == 0 && row.PresencePenalty == 0)
            return;
        float* scores = Candidates.Scores;
        int* ids = Candidates.Ids;
        for (int i = 0; i < Candidates.Count; i++)
        {
            int count = counts[ids[i]];
            if (count == 0)
                continue;
            double score = scores[i];
            double logit = score + toLogit;
            score += (logit > 0 ? logit / row.RepetitionPenalty : logit * row.RepetitionPenalty) - logit;
            int generated = count & ~GuideBatch.PromptFlag;
            score -= generated * (double)row.FrequencyPenalty;
            score -= generated > 0 ? row.PresencePenalty : 0;
            // Finite: minus infinity would make the entropy NaN.
            scores[i] = (float)Math.Max(score, float.MinValue);
        }
        Candidates.Touch();
    }

    // What a step that cannot be used reports: a token that may stand in the text, and nothing else.
    private GuideResult Fail(in GuideRow row, Span<TokenLogProb> alternatives)
    {
        alternatives.Fill(new TokenLogProb { Token = -1, LogProb = float.NegativeInfinity });
        return new GuideResult
        {
            Token = row.ForcedToken >= 0 ? row.ForcedToken : _scores.LowestAllowed(row.VocabSize),
            LogProb = float.NegativeInfinity,
            Invalid = 1,
        };
    }
}
