using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.GuideAndSample"/>: a group of threads for each sequence, which share its vocabulary among them. A score of minus infinity marks a
/// token that does not stand, so nothing is moved or sorted. Each thread writes the scores of its own tokens; what all have to know goes through
/// <see cref="GroupReduce"/>, so that every thread takes the same turns.
/// </summary>
internal static class GuideAndSampleKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<Parameters>(GuideAndSample)];

    public static void Run(IlgpuDevice device, GuideBatch batch)
    {
        if (batch.Workspace is not GuideAndSampleWorkspace workspace)
            batch.Workspace = workspace = new GuideAndSampleWorkspace(device, batch);
        var parameters = new Parameters
        {
            Logits = new TensorView(batch.Logits),
            Rows = IlgpuDevice.View(batch.Rows),
            Branches = IlgpuDevice.View(batch.Branches),
            Biases = IlgpuDevice.View(batch.Biases),
            PenaltyCounts = IlgpuDevice.View(batch.PenaltyCounts),
            EosIds = IlgpuDevice.View(batch.EosIds).SubView(0, batch.EosCount),
            Results = IlgpuDevice.View(batch.Results),
            BranchLogProbs = IlgpuDevice.View(batch.BranchLogProbs),
            Alternatives = IlgpuDevice.View(batch.Alternatives),
            Maxima = workspace.Maxima.View,
            LogSums = workspace.LogSums.View,
            Scores = workspace.Scores.View,
            Keys = workspace.Keys.View,
            VocabSize = batch.VocabSize,
            MaxAlternatives = batch.MaxAlternatives,
        };
        device.LaunchGroups(GuideAndSample, new Index3D(batch.Sequences, 1, 1), device.GroupSize(GroupReduce.MaxThreads), parameters);
    }

    internal static void GuideAndSample(Parameters p)
    {
        int sequence = Grid.IdxX;
        GuideRow row = p.Rows[sequence];
        var tokens = new GuideTokens(
            GroupReduce.Create(),
            RadixSelect.AllocateDigits(),
            p.Scores.SubView((long)sequence * p.VocabSize, row.VocabSize),
            p.Keys.SubView((long)sequence * p.VocabSize, row.VocabSize));
        long alternatives = (long)sequence * p.MaxAlternatives;
        for (int i = Group.IdxX; i < row.Alternatives; i += Group.DimX)
            p.Alternatives[alternatives + i] = new TokenLogProb { Token = -1, LogProb = float.NegativeInfinity };

        GuideResult result = Guide(p, row, tokens, alternatives);
        for (int j = row.BranchStart + Group.IdxX; j < row.BranchStart + row.BranchCount; j += Group.DimX)
            p.BranchLogProbs[j] = result.Invalid != 0 ? float.NegativeInfinity : GuideAndSampleScores.LogProb(p, j, result.Token);
        if (Group.IdxX != 0)
            return;
        if (result.Invalid == 0 && row.PenaltySlot >= 0)
            p.PenaltyCounts[((long)row.PenaltySlot * p.VocabSize) + result.Token]++;
        p.Results[sequence] = result;
    }

    // The whole step in its order.
    private static GuideResult Guide(Parameters p, GuideRow row, GuideTokens tokens, long alternatives)
    {
        var result = new GuideResult
        {
            Token = row.ForcedToken >= 0 ? row.ForcedToken : GuideAndSampleScores.LowestAllowed(p, row),
            LogProb = float.NegativeInfinity,
            Invalid = 1,
        };
        if (!GuideAndSampleScores.Normalise(p, row, tokens.Reduce))
            return result;
        result.MaskSize = GuideAndSampleScores.FillMask(p, row, tokens, out float targetEntropy);
        float max = tokens.Max();
        if (!float.IsFinite(max))
            return Invalid(result);
        tokens.Rescale(max, 1);
        float logMass = MathF.Log((float)tokens.Mass());
        ReportAlternatives(p, row, tokens, logMass, alternatives);
        Group.Barrier();
        bool inMask = row.ForcedToken < 0 || tokens.Scores[row.ForcedToken] > float.NegativeInfinity;

        if (!GuideAndSampleScores.AddBiases(p, row, tokens))
            return Invalid(result);
        GuideAndSampleScores.Penalise(p, row, tokens, max);
        float best = tokens.Max();
        if (!float.IsFinite(best))
            return Invalid(result);
        int token;
        if (row.Temperature == 0)
        {
            token = tokens.Next(float.PositiveInfinity, -1);
            result.Kept = 1;
        }
        else
        {
            result.Temperature = row.Temperature;
            if (row.TargetEntropy != 0)
            {
                tokens.Rescale(best, 1);
                best = 0;
                result.Temperature = GuideAndSampleTemperature.Solve(tokens, targetEntropy);
            }

            tokens.Rescale(best, result.Temperature);
            GuideAndSampleTruncation.Apply(row, tokens);
            token = tokens.Draw(Philox.Uniform(row.Seed, row.Step));
            result.Kept = tokens.Count();
            result.Entropy = tokens.Entropy();
        }

        result.Token = row.ForcedToken >= 0 ? row.ForcedToken : token;
        if (inMask)
            result.LogProb = GuideAndSampleScores.Score(p, row, result.Token) - max - logMass;
        result.Invalid = 0;
        return result;
    }

    // A failed step reports its token and nothing else.
    private static GuideResult Invalid(GuideResult result)
    {
        result.MaskSize = 0;
        return result;
    }

    private static void ReportAlternatives(Parameters p, GuideRow row, GuideTokens tokens, float logMass, long start)
    {
        float score = float.PositiveInfinity;
        int token = -1;
        for (int i = 0; i < row.Alternatives; i++)
        {
            token = tokens.Next(score, token);
            if (token < 0)
                return;
            score = tokens.Scores[token];
            if (Group.IdxX == 0)
                p.Alternatives[start + i] = new TokenLogProb { Token = token, LogProb = score - logMass };
        }
    }

    internal struct Parameters
    {
        public TensorView Logits;
        public ArrayView<GuideRow> Rows;
        public ArrayView<GuideBranch> Branches;
        public ArrayView<TokenBias> Biases;
        public ArrayView<int> PenaltyCounts;
        public ArrayView<int> EosIds;
        public ArrayView<GuideResult> Results;
        public ArrayView<float> BranchLogProbs;
        public ArrayView<TokenLogProb> Alternatives;
        public ArrayView<float> Maxima;
        public ArrayView<float> LogSums;
        public ArrayView<float> Scores;
        public ArrayView<float> Keys;
        public int VocabSize;
        public int MaxAlternatives;
    }
}

/// <summary>What the kernel needs beside its batch, in the memory of the device.</summary>
internal sealed class GuideAndSampleWorkspace(IlgpuDevice device, GuideBatch batch) : IDisposable
{
    /// <summary>Largest logit of each branch [branches].</summary>
    public IlgpuBuffer<float> Maxima { get; } = device.AllocateBuffer<float>(batch.Branches.Length);

    /// <summary>log of the sum of exp(logit - maximum) of each branch [branches].</summary>
    public IlgpuBuffer<float> LogSums { get; } = device.AllocateBuffer<float>(batch.Branches.Length);

    /// <summary>After a step that was not greedy: scores whose softmax is the distribution it drew from [sequences, VocabSize].</summary>
    public IlgpuBuffer<float> Scores { get; } = device.AllocateBuffer<float>(batch.Rows.Length * batch.VocabSize);

    /// <summary>What tokens are ordered by where that is not the score [sequences, VocabSize].</summary>
    public IlgpuBuffer<float> Keys { get; } = device.AllocateBuffer<float>(batch.Rows.Length * batch.VocabSize);

    public void Dispose()
    {
        Maxima.Dispose();
        LogSums.Dispose();
        Scores.Dispose();
        Keys.Dispose();
    }
}
