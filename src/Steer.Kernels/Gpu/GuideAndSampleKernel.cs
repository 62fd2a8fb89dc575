using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.GuideAndSample"/>: a group of threads for each sequence, which share its vocabulary among them. A score of minus infinity
/// marks a token that does not stand, so nothing is sorted. Each thread writes the scores of its own tokens; what all have to know goes through
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
            AllowedTokens = IlgpuDevice.View(batch.AllowedTokens),
            EosIds = IlgpuDevice.View(batch.EosIds).SubView(0, batch.EosCount),
            Results = IlgpuDevice.View(batch.Results),
            BranchLogProbs = IlgpuDevice.View(batch.BranchLogProbs),
            Alternatives = IlgpuDevice.View(batch.Alternatives),
            Maxima = workspace.Maxima.View,
            LogSums = workspace.LogSums.View,
            ChunkMaxima = workspace.ChunkMaxima.View,
            ChunkSums = workspace.ChunkSums.View,
            Scores = workspace.Scores.View,
            Keys = workspace.Keys.View,
            Ids = workspace.Ids.View,
            VocabSize = batch.VocabSize,
            AllowedWords = batch.AllowedWords,
            Pitch = workspace.Pitch,
            Chunks = workspace.Chunks,
            MaxAlternatives = batch.MaxAlternatives,
        };
        GuideLogSumsKernel.Run(device, batch.Sequences, parameters);
        device.LaunchGroups(GuideAndSample, new Index3D(batch.Sequences, 1, 1), device.GroupSize(GroupReduce.MaxThreads), parameters);
    }

    internal static void GuideAndSample(Parameters p)
    {
        int sequence = Grid.IdxX;
        GuideRow row = p.Rows[sequence];
        long start = (long)sequence * p.Pitch;
        var tokens = new GuideTokens(
            GroupReduce.Create(), GuideBins.Create(), p.Scores.SubView(start, p.Pitch), p.Keys.SubView(start, p.Pitch), p.Ids.SubView(start, p.Pitch),
            row.VocabSize, listed: 0);
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
        var result = new GuideResult { LogProb = float.NegativeInfinity, Invalid = 1 };
        bool finite = GuideAndSampleScores.Normalise(p, row, tokens.Reduce);
        float max = float.NegativeInfinity, targetEntropy = 0;
        if (finite)
            max = GuideAndSampleScores.FillMask(p, row, ref tokens, ref result.MaskSize, out targetEntropy);
        if (!float.IsFinite(max))
            return Invalid(p, row, result);
        float logMass = MathF.Log((float)tokens.Rescale(max, 1));
        ReportAlternatives(p, row, tokens, logMass, alternatives);
        bool inMask = row.ForcedToken < 0 || tokens.Holds(row.ForcedToken);

        if (!GuideAndSampleScores.AddBiases(p, row, tokens))
            return Invalid(p, row, result);
        GuideAndSampleScores.Penalise(p, row, tokens, max);
        float best = tokens.Max();
        if (!float.IsFinite(best))
            return Invalid(p, row, result);
        int place;
        if (row.Temperature == 0)
        {
            place = tokens.Next(float.PositiveInfinity, -1);
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

            if (best != 0 || result.Temperature != 1)
                tokens.Rescale(best, result.Temperature);
            GuideAndSampleTruncation.Apply(row, tokens);
            result.Entropy = tokens.Entropy(out double mass);
            result.Kept = tokens.Count();
            place = GuideSearch.Place(tokens, Philox.Uniform(row.Seed, row.Step) * mass, equals: false, 0);
        }

        result.Token = row.ForcedToken >= 0 ? row.ForcedToken : tokens.Id(place);
        if (inMask)
            result.LogProb = GuideAndSampleScores.Score(p, row, result.Token) - max - logMass;
        result.Invalid = 0;
        return result;
    }

    // A failed step reports its token and nothing else.
    private static GuideResult Invalid(Parameters p, GuideRow row, GuideResult result)
    {
        result.Token = row.ForcedToken >= 0 ? row.ForcedToken : GuideAndSampleScores.LowestAllowed(p, row);
        result.MaskSize = 0;
        return result;
    }

    private static void ReportAlternatives(Parameters p, GuideRow row, GuideTokens tokens, float logMass, long start)
    {
        float score = float.PositiveInfinity;
        int place = -1;
        for (int i = 0; i < row.Alternatives; i++)
        {
            place = tokens.Next(score, place);
            if (place < 0)
                return;
            // Another thread's, written before the search.
            score = tokens.Scores[place];
            if (Group.IdxX == 0)
                p.Alternatives[start + i] = new TokenLogProb { Token = tokens.Id(place), LogProb = score - logMass };
        }

        // Nobody changes a score that another still reads.
        Group.Barrier();
    }

    /// <summary>The batch and its workspace: see <see cref="GuideBatch"/> and <see cref="GuideAndSampleWorkspace"/> for what each holds.</summary>
    internal struct Parameters
    {
        public TensorView Logits;
        public ArrayView<GuideRow> Rows;
        public ArrayView<GuideBranch> Branches;
        public ArrayView<TokenBias> Biases;
        public ArrayView<int> PenaltyCounts;
        public ArrayView<uint> AllowedTokens;
        public ArrayView<int> EosIds;
        public ArrayView<GuideResult> Results;
        public ArrayView<float> BranchLogProbs;
        public ArrayView<TokenLogProb> Alternatives;
        public ArrayView<float> Maxima;
        public ArrayView<float> LogSums;
        public ArrayView<float> ChunkMaxima;
        public ArrayView<double> ChunkSums;
        public ArrayView<float> Scores;
        public ArrayView<float> Keys;
        public ArrayView<int> Ids;
        public int VocabSize;
        public int AllowedWords;
        public int Pitch;
        public int Chunks;
        public int MaxAlternatives;
    }
}
