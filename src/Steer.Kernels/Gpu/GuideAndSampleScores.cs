using ILGPU;
using static Steer.Kernels.Gpu.GuideAndSampleKernel;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Guided scores of one sequence, with the arithmetic of the host: with l_j = z_j - max_j - logSum_j they are
/// sum_j w_j max(z_j - max_j, Floor + logSum_j), which is s and a constant.
/// </summary>
internal static class GuideAndSampleScores
{
    /// <summary>
    /// Computes maxima and log-sums of the branches; false where a logit is NaN or infinite upwards, or a branch has no finite one.
    /// </summary>
    public static bool Normalise(Parameters p, GuideRow row, GroupReduce reduce)
    {
        bool finite = true;
        for (int j = row.BranchStart; j < row.BranchStart + row.BranchCount; j++)
        {
            // One pass over the logits: the sum so far is rescaled where the maximum grows.
            int logits = p.Branches[j].LogitsRow;
            float own = float.NegativeInfinity;
            double sum = 0;
            for (int x = Group.IdxX; x < row.VocabSize; x += Group.DimX)
            {
                float logit = p.Logits[logits, x];
                if (float.IsNegativeInfinity(logit))
                    continue;
                if (logit > own)
                {
                    sum *= OnlineSoftmax.Weight(own, logit);
                    own = logit;
                }

                sum += KernelMath.Exp(logit - own);
            }

            float max = reduce.Max(own);
            double all = reduce.Sum(sum * OnlineSoftmax.Weight(own, max));
            float logSum = MathF.Log((float)all);
            if (Group.IdxX == 0)
            {
                p.Maxima[j] = max;
                p.LogSums[j] = logSum;
            }

            finite &= float.IsFinite(max) && float.IsFinite(logSum);
        }

        Group.Barrier();
        return finite;
    }

    /// <summary>Log-probability of a token in branch j of the batch.</summary>
    public static float LogProb(Parameters p, int j, int token) =>
        p.Logits[p.Branches[j].LogitsRow, token] - p.Maxima[j] - p.LogSums[j];

    /// <summary>The lowest id that is not banned; 0 where all are.</summary>
    public static int LowestAllowed(Parameters p, GuideRow row)
    {
        for (int x = 0; x < row.VocabSize; x++)
        {
            bool allowed = true;
            for (int i = row.BiasStart; i < row.BiasStart + row.BiasCount; i++)
                allowed &= p.Biases[i].Token != x || p.Biases[i].Bias > float.NegativeInfinity;
            if (allowed)
                return x;
        }

        return 0;
    }

    /// <summary>
    /// Fills the scores: guided ones on V, minus infinity elsewhere; returns the size of V. Gives the entropy to reach where one is asked for.
    /// </summary>
    public static int FillMask(Parameters p, GuideRow row, GuideTokens tokens, out float targetEntropy)
    {
        targetEntropy = row.TargetEntropy;
        int logits = p.Branches[row.BranchStart + row.Reference].LogitsRow;
        for (int x = Group.IdxX; x < row.VocabSize; x += Group.DimX)
            tokens.Scores[x] = p.Logits[logits, x];
        Group.Barrier();
        for (int i = row.BiasStart + Group.IdxX; i < row.BiasStart + row.BiasCount; i += Group.DimX)
        {
            if (float.IsNegativeInfinity(p.Biases[i].Bias))
                tokens.Scores[p.Biases[i].Token] = float.NegativeInfinity;
        }

        Group.Barrier();
        float max = tokens.Max();
        if (!float.IsFinite(max))
            return 0;
        tokens.Rescale(max, 1);
        if (row.NucleusMass > 0)
            GuideAndSampleTruncation.TopP(tokens, row.NucleusMass);
        else if (row.Alpha > 0)
            tokens.Keep(tokens.Scores, MathF.Log(row.Alpha));
        if (targetEntropy < 0)
            targetEntropy = tokens.Entropy();

        int count = 0;
        for (int x = Group.IdxX; x < row.VocabSize; x += Group.DimX)
        {
            if (float.IsNegativeInfinity(tokens.Scores[x]))
                continue;
            tokens.Scores[x] = Score(p, row, x);
            count++;
        }

        return (int)tokens.Reduce.Sum(count);
    }

    /// <summary>The guided score of a token of V.</summary>
    public static float Score(Parameters p, GuideRow row, int token)
    {
        bool isEos = false;
        for (int i = 0; i < p.EosIds.IntLength; i++)
            isEos |= p.EosIds[i] == token;
        int reference = row.BranchStart + row.Reference, end = row.BranchStart + row.BranchCount;
        float score = 0;
        for (int j = row.BranchStart; j < end; j += p.Branches[j].GroupSize)
        {
            GuideBranch branch = p.Branches[j];
            float value, floor = row.Floor;
            if (branch.GroupSize == 1)
            {
                value = isEos && branch.ExemptEos != 0 && j != reference
                    ? LogProb(p, reference, token) + p.LogSums[j]
                    : p.Logits[branch.LogitsRow, token] - p.Maxima[j];
                floor += p.LogSums[j];
            }
            else
            {
                value = LogMeanExp(p, j, branch.GroupSize, token, isEos, reference);
            }

            score = KernelMath.FusedMultiplyAdd(branch.Weight, Larger(value, floor), score);
        }

        return score;
    }

    /// <summary>Adds the finite biases on V; false where a sum is not a number to go on with.</summary>
    public static bool AddBiases(Parameters p, GuideRow row, GuideTokens tokens)
    {
        if (row.BiasCount == 0)
            return true;
        Group.Barrier();
        bool finite = true;
        // A token may have several.
        for (int i = row.BiasStart; i < row.BiasStart + row.BiasCount && Group.IdxX == 0; i++)
        {
            TokenBias bias = p.Biases[i];
            if (float.IsNegativeInfinity(tokens.Scores[bias.Token]))
                continue;
            tokens.Scores[bias.Token] += bias.Bias;
            finite &= float.IsFinite(tokens.Scores[bias.Token]);
        }

        return tokens.Reduce.Sum(finite ? 0 : 1) == 0;
    }

    /// <summary>Repetition, frequency and presence penalties on scores from which <paramref name="max"/> was taken.</summary>
    public static void Penalise(Parameters p, GuideRow row, GuideTokens tokens, float max)
    {
        if (row.PenaltySlot < 0 || (row.RepetitionPenalty == 1 && row.FrequencyPenalty == 0 && row.PresencePenalty == 0))
            return;
        int reference = row.BranchStart + row.Reference;
        double toLogit = (double)max + p.Maxima[reference] + p.LogSums[reference];
        for (int j = row.BranchStart; j < row.BranchStart + row.BranchCount; j++)
        {
            if (p.Branches[j].GroupSize == 1)
                toLogit -= (double)p.Branches[j].Weight * p.LogSums[j];
        }

        long counts = (long)row.PenaltySlot * p.VocabSize;
        for (int x = Group.IdxX; x < row.VocabSize; x += Group.DimX)
        {
            int count = p.PenaltyCounts[counts + x];
            if (count == 0 || float.IsNegativeInfinity(tokens.Scores[x]))
                continue;
            double score = tokens.Scores[x], logit = score + toLogit;
            score += (logit > 0 ? logit / row.RepetitionPenalty : logit * row.RepetitionPenalty) - logit;
            int generated = count & ~GuideBatch.PromptFlag;
            score -= generated * (double)row.FrequencyPenalty;
            score -= generated > 0 ? row.PresencePenalty : 0;
            tokens.Scores[x] = (float)score;
        }
    }

    // log(1/m sum exp l) over the m branches from `first` on; minus infinity where every one has it.
    private static float LogMeanExp(Parameters p, int first, int size, int token, bool isEos, int reference)
    {
        float max = float.NegativeInfinity;
        for (int j = first; j < first + size; j++)
            max = Larger(max, LogProb(p, isEos && p.Branches[j].ExemptEos != 0 ? reference : j, token));
        if (float.IsNegativeInfinity(max))
            return max;
        float sum = 0;
        for (int j = first; j < first + size; j++)
            sum += KernelMath.Exp(LogProb(p, isEos && p.Branches[j].ExemptEos != 0 ? reference : j, token) - max);
        return max + MathF.Log(sum / size);
    }

    private static float Larger(float a, float b) => a > b ? a : b;
}
