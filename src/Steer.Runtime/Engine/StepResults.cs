using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>What the steps of a plan gave, in memory of the host. A row is a draw in the order of <see cref="StepPlan.Draws"/>.</summary>
internal sealed class StepResults : IDisposable
{
    private readonly Device _device;
    private readonly DeviceMemory _memory;
    private readonly Readback<GuideResult> _results;
    private readonly Readback<float> _branchLogProbs;
    private readonly Readback<TokenLogProb> _alternatives;
    private int _rows;
    private int _branches;

    public StepResults(Device device, StepLimits limits)
    {
        _device = device;
        _memory = new DeviceMemory(device);
        int draws = limits.MaxSteps * limits.MaxContexts;
        _results = _memory.Take(() => device.AllocateReadback<GuideResult>(draws));
        _branchLogProbs = _memory.Take(() => device.AllocateReadback<float>(draws));
        _alternatives = _memory.Take(() => device.AllocateReadback<TokenLogProb>(draws * SamplingParams.MaxLogProbs));
    }

    /// <summary>Asks for what the sequences of a plan want to know.</summary>
    public void Request(StepPlan plan, GuideBatch guide, DecodeBatch decode)
    {
        bool logProbs = plan.Draws.Exists(d => d.Sequence.Sampling.LogProbs is not null);
        bool alternatives = logProbs && plan.Draws.Exists(d => d.Sequence.Sampling.LogProbs > 0);
        bool kept = plan.Steps > 1;
        _rows = guide.Sequences;
        _branches = decode.Branches;
        _results.Request(kept ? decode.Results : guide.Results, plan.Steps * _rows);
        if (logProbs)
            _branchLogProbs.Request(kept ? decode.BranchLogProbs : guide.BranchLogProbs, plan.Steps * _branches);
        if (alternatives)
            _alternatives.Request(kept ? decode.Alternatives : guide.Alternatives, plan.Steps * _rows * SamplingParams.MaxLogProbs);
    }

    /// <summary>Waits until all that was asked for is here.</summary>
    public void Wait() => _device.Synchronize();

    /// <summary>What one draw gave.</summary>
    public GuideResult Result(int step, int row) => _results.Data[step * _rows + row];

    /// <summary>Log-probabilities of the drawn token under each branch; the first of them is number <paramref name="branch"/> of the step.</summary>
    public ReadOnlySpan<float> BranchLogProbs(int step, int branch, int count) => _branchLogProbs.Data.Slice(step * _branches + branch, count);

    /// <summary>The best tokens.</summary>
    public ReadOnlySpan<TokenLogProb> Alternatives(int step, int row, int count) =>
        _alternatives.Data.Slice((step * _rows + row) * SamplingParams.MaxLogProbs, count);

    public void Dispose() => _memory.Dispose();
}
