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
    /// Joins what <see cref="GuideLogSumsKernel"/> found of the branches' chunks; false where a logit is NaN or infinite upwards, or a branch has no
    /// finite one.
    /// </summary>
    public static bool Normalise(Parameters p, GuideRow row, GroupReduce reduce)
    {
        bool finite = true;
        int chunks = GuideLogSumsKernel.Chunks(row.VocabSize);
        for (int j = row.BranchStart; j < row.BranchStart + row.BranchCount; j++)
        {
            long first = (long)j * p.Chunks;
            float own = float.NegativeInfinity;
            for (int c = Group.IdxX; c < chunks; c += Group.DimX)
                own = KernelMath.Larger(p.ChunkMaxima[first + c], own);
            float max = reduce.Max(own);
            double sum = 0;
            for (int c = Group.IdxX; c < chunks; c += Group.DimX)
                sum += p.ChunkSums[first + c] * OnlineSoftmax.Weight(p.ChunkMaxima[first + c], max);
            float logSum = MathF.Log((float)reduce.Sum(sum));
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
            bool allowed = row.Restricted == 0 || IsAllowed(p, x);
            for (int i = row.BiasStart; i < row.BiasStart + row.BiasCount; i++)
                allowed &= p.Biases[i].Token != x || p.Biases[i].Bias > float.NegativeInfinity;
            if (allowed)
                return x;
        }

        return 0;
    }

    /// <summary>
    /// Fills the scores: guided ones on V, minus infinity elsewhere; returns the largest, minus infinity where V is empty. Gives the size of V and
    /// the entropy to reach where one is asked for.
    /// </summary>
    public static float FillMask(Parameters p, GuideRow row, ref GuideTokens tokens, ref int maskSize, out float targetEntropy)
    {
        targetEntropy = row.TargetEntropy;
        int reference = row.BranchStart + row.Reference;
        bool banned = row.Restricted != 0;
        for (int i = row.BiasStart; i < row.BiasStart + row.BiasCount; i++)
            banned |= float.IsNegativeInfinity(p.Biases[i].Bias);
        // With bans the largest logit is found first. Scores are the reference's, relative to it, from the threshold on.
        float threshold = row.NucleusMass > 0 || row.Alpha <= 0 ? float.MinValue : MathF.Log(row.Alpha);
        FillReference(p, row, tokens, banned ? 0 : p.Maxima[reference], banned ? float.MinValue : threshold);
        if (banned)
        {
            Ban(p, row, tokens);
            float max = tokens.Max();
            if (!float.IsFinite(max))
                return max;
            tokens.Rescale(max, 1);
            tokens.Keep(tokens.Scores, threshold);
        }

        if (row.NucleusMass > 0)
            GuideAndSampleTruncation.TopP(tokens, row.NucleusMass);
        tokens = tokens.Compact(out maskSize);
        if (targetEntropy < 0)
            targetEntropy = tokens.Entropy(out _);
        return Guide(p, row, tokens);
    }

    private static void FillReference(Parameters p, GuideRow row, GuideTokens tokens, float max, float threshold)
    {
        int logits = p.Branches[row.BranchStart + row.Reference].LogitsRow;
        for (int x = Group.IdxX; x < row.VocabSize; x += GuideTokens.Turn)
        {
            Floats4 z = Logits(p, logits, x, x + Group.DimX, x + (2 * Group.DimX), x + (3 * Group.DimX), row.VocabSize);
            tokens.Store(x, new Floats4
            {
                X = FromOn(threshold, z.X - max),
                Y = FromOn(threshold, z.Y - max),
                Z = FromOn(threshold, z.Z - max),
                W = FromOn(threshold, z.W - max),
            });
        }
    }

    private static void Ban(Parameters p, GuideRow row, GuideTokens tokens)
    {
        for (int x = Group.IdxX; x < row.VocabSize && row.Restricted != 0; x += Group.DimX)
        {
            if (!IsAllowed(p, x))
                tokens.Scores[x] = float.NegativeInfinity;
        }

        Group.Barrier();
        for (int i = row.BiasStart + Group.IdxX; i < row.BiasStart + row.BiasCount; i += Group.DimX)
        {
            if (float.IsNegativeInfinity(p.Biases[i].Bias))
                tokens.Scores[p.Biases[i].Token] = float.NegativeInfinity;
        }

        Group.Barrier();
    }

    // Guided scores in place of the reference's; returns the largest.
    private static float Guide(Parameters p, GuideRow row, GuideTokens tokens)
    {
        float max = float.NegativeInfinity;
        for (int x = Group.IdxX; x < tokens.Length; x += GuideTokens.Turn)
        {
            Floats4 old = GuideTokens.Load(tokens.Scores, x);
            if (!(old.Max > float.NegativeInfinity))
                continue;
            Floats4 scores = Score4(
                p, row, tokens.Id(x), tokens.Id(x + Group.DimX), tokens.Id(x + (2 * Group.DimX)), tokens.Id(x + (3 * Group.DimX)));
            scores.X = Where(old.X, scores.X);
            scores.Y = Where(old.Y, scores.Y);
            scores.Z = Where(old.Z, scores.Z);
            scores.W = Where(old.W, scores.W);
            tokens.Store(x, scores);
            max = KernelMath.Larger(scores.Max, max);
        }

        return tokens.Reduce.Max(max);
    }

    // The scores of four tokens, whose logits are on their way at once.
    private static Floats4 Score4(Parameters p, GuideRow row, int a, int b, int c, int d)
    {
        bool plain = true;
        for (int i = 0; i < p.EosIds.IntLength; i++)
            plain &= p.EosIds[i] != a && p.EosIds[i] != b && p.EosIds[i] != c && p.EosIds[i] != d;
        var scores = default(Floats4);
        for (int j = row.BranchStart; j < row.BranchStart + row.BranchCount && plain; j++)
        {
            GuideBranch branch = p.Branches[j];
            plain = branch.GroupSize == 1;
            float max = p.Maxima[j], floor = row.Floor + p.LogSums[j];
            Floats4 z = Logits(p, branch.LogitsRow, a, b, c, d, row.VocabSize);
            scores.X = KernelMath.FusedMultiplyAdd(branch.Weight, KernelMath.Larger(z.X - max, floor), scores.X);
            scores.Y = KernelMath.FusedMultiplyAdd(branch.Weight, KernelMath.Larger(z.Y - max, floor), scores.Y);
            scores.Z = KernelMath.FusedMultiplyAdd(branch.Weight, KernelMath.Larger(z.Z - max, floor), scores.Z);
            scores.W = KernelMath.FusedMultiplyAdd(branch.Weight, KernelMath.Larger(z.W - max, floor), scores.W);
        }

        return plain ? scores : new Floats4 { X = Score(p, row, a), Y = Score(p, row, b), Z = Score(p, row, c), W = Score(p, row, d) };
    }

    // Logits of four tokens; minus infinity past the vocabulary.
    private static Floats4 Logits(Parameters p, int row, int a, int b, int c, int d, int vocabSize) => new()
    {
        X = a < vocabSize ? p.Logits[row, a] : float.NegativeInfinity,
        Y = b < vocabSize ? p.Logits[row, b] : float.NegativeInfinity,
        Z = c < vocabSize ? p.Logits[row, c] : float.NegativeInfinity,
        W = d < vocabSize ? p.Logits[row, d] : float.NegativeInfinity,
    };

    // Of this group's sequence.
    private static bool IsAllowed(Parameters p, int token) =>
        (p.AllowedTokens[((long)Grid.IdxX * p.AllowedWords) + (token / 32)] >> (token % 32) & 1) != 0;

    private static float FromOn(float threshold, float score) => score >= threshold ? score : float.NegativeInfinity;

    private static float Where(float standing, float score) => standing > float.NegativeInfinity ? score : float.NegativeInfinity;

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

            score = KernelMath.FusedMultiplyAdd(branch.Weight, KernelMath.Larger(value, floor), score);
        }

        return score;
    }

    /// <summary>Adds the finite biases on V; false where a sum is not a number to go on with.</summary>
    public static bool AddBiases(Parameters p, GuideRow row, GuideTokens tokens)
    {
        if (row.BiasCount == 0)
            return true;
        bool finite = true;
        // A token may have several, which its thread adds in their order.
        for (int x = Group.IdxX; x < tokens.Length; x += Group.DimX)
        {
            float score = tokens.Scores[x];
            if (float.IsNegativeInfinity(score))
                continue;
            int token = tokens.Id(x);
            for (int i = row.BiasStart; i < row.BiasStart + row.BiasCount; i++)
                score += p.Biases[i].Token == token ? p.Biases[i].Bias : 0;
            tokens.Scores[x] = score;
            finite &= float.IsFinite(score);
        }

        return tokens.Reduce.Sum(finite ? 0.0 : 1.0) == 0;
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
        for (int x = Group.IdxX; x < tokens.Length; x += Group.DimX)
        {
            int count = p.PenaltyCounts[counts + tokens.Id(x)];
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
            max = KernelMath.Larger(max, LogProb(p, isEos && p.Branches[j].ExemptEos != 0 ? reference : j, token));
        if (float.IsNegativeInfinity(max))
            return max;
        float sum = 0;
        for (int j = first; j < first + size; j++)
            sum += KernelMath.Exp(LogProb(p, isEos && p.Branches[j].ExemptEos != 0 ? reference : j, token) - max);
        return max + MathF.Log(sum / size);
    }
}
