using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The first half of <see cref="Device.Advance"/>: one thread for each sequence keeps what the step gave and moves the sequence on.
/// </summary>
internal static class AdvanceSequencesKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(AdvanceSequences)];

    public static void Run(IlgpuDevice device, GuideBatch guide, DecodeBatch decode)
    {
        var parameters = new Parameters
        {
            Rows = IlgpuDevice.View(guide.Rows),
            Results = IlgpuDevice.View(guide.Results),
            BranchLogProbs = IlgpuDevice.View(guide.BranchLogProbs),
            Alternatives = IlgpuDevice.View(guide.Alternatives),
            States = IlgpuDevice.View(decode.Rows),
            StopIds = IlgpuDevice.View(decode.StopIds),
            AllResults = IlgpuDevice.View(decode.Results),
            AllBranchLogProbs = IlgpuDevice.View(decode.BranchLogProbs),
            AllAlternatives = IlgpuDevice.View(decode.Alternatives),
            Sequences = guide.Sequences,
            Branches = decode.Branches,
            MaxAlternatives = guide.MaxAlternatives,
        };
        device.Launch(AdvanceSequences, guide.Sequences, parameters);
    }

    internal static void AdvanceSequences(Index1D sequence, Parameters p)
    {
        DecodeRow state = p.States[sequence];
        GuideRow row = p.Rows[sequence];
        GuideResult result = p.Results[sequence];

        long at = ((long)state.Steps * p.Sequences) + sequence.X;
        p.AllResults[at] = result;
        for (int j = row.BranchStart; j < row.BranchStart + row.BranchCount; j++)
            p.AllBranchLogProbs[((long)state.Steps * p.Branches) + j] = p.BranchLogProbs[j];
        for (int i = 0; i < row.Alternatives; i++)
            p.AllAlternatives[(at * p.MaxAlternatives) + i] = p.Alternatives[((long)sequence.X * p.MaxAlternatives) + i];

        state.Steps++;
        int tokens = row.Step + 1;
        if (state.Finished == 0 && (result.Invalid != 0 || tokens >= state.MaxTokens || IsStop(p.StopIds, state, result.Token)))
            state.Finished = 1;
        if (state.Finished == 0)
        {
            row.Step = tokens;
            if (tokens >= state.MinTokens)
                row.BiasCount = state.FreeBiasCount;
            p.Rows[sequence] = row;
        }

        p.States[sequence] = state;
    }

    private static bool IsStop(ArrayView<int> stops, DecodeRow state, int token)
    {
        for (int i = state.StopStart; i < state.StopStart + state.StopCount; i++)
        {
            if (stops[i] == token)
                return true;
        }

        return false;
    }

    internal struct Parameters
    {
        public ArrayView<GuideRow> Rows;
        public ArrayView<GuideResult> Results;
        public ArrayView<float> BranchLogProbs;
        public ArrayView<TokenLogProb> Alternatives;
        public ArrayView<DecodeRow> States;
        public ArrayView<int> StopIds;
        public ArrayView<GuideResult> AllResults;
        public ArrayView<float> AllBranchLogProbs;
        public ArrayView<TokenLogProb> AllAlternatives;
        public int Sequences;
        public int Branches;
        public int MaxAlternatives;
    }
}
