using Steer.Kernels.Profiling;

namespace Steer.Runtime.Engine;

/// <summary>What the steps of one kind took.</summary>
/// <param name="IsPrefill">They computed prompts, and drew tokens beside; else they only drew tokens.</param>
/// <param name="Steps">Forward passes.</param>
/// <param name="Rows">Rows of all of them.</param>
/// <param name="Seconds">Planning, kernels and handing out of tokens.</param>
/// <param name="Kernels">What the kernels took, longest first.</param>
public sealed record StepProfile(bool IsPrefill, long Steps, long Rows, double Seconds, IReadOnlyList<KernelTiming> Kernels);

/// <summary>Tells apart on which kind of step a profiled device worked.</summary>
internal sealed class EngineProfiler(ProfiledDevice device)
{
    private readonly Phase _prefill = new();
    private readonly Phase _decode = new();
    private readonly Lock _lock = new();

    /// <summary>The kernels that follow belong to this plan.</summary>
    public void Begin(StepPlan plan) => device.Profile = Of(plan).Kernels;

    /// <summary>The plan took so long.</summary>
    public void End(StepPlan plan, double seconds)
    {
        lock (_lock)
        {
            var phase = Of(plan);
            phase.Steps += plan.Steps;
            phase.Seconds += seconds;
            foreach (var rows in plan.Rows)
                phase.Rows += (long)rows.Count * plan.Steps;
        }
    }

    /// <summary>Everything since the last time; kinds of which there was no step are left out.</summary>
    public IReadOnlyList<StepProfile> Take()
    {
        lock (_lock)
        {
            List<StepProfile> taken = [];
            foreach (var phase in new[] { _prefill, _decode })
            {
                if (phase.Steps > 0)
                    taken.Add(new StepProfile(phase == _prefill, phase.Steps, phase.Rows, phase.Seconds, phase.Kernels.Take()));
                (phase.Steps, phase.Rows, phase.Seconds) = (0, 0, 0);
            }

            return taken;
        }
    }

    private Phase Of(StepPlan plan) => plan.PrefillRows > 0 ? _prefill : _decode;

    private sealed class Phase
    {
        public KernelProfile Kernels { get; } = new();

        public long Steps { get; set; }

        public long Rows { get; set; }

        public double Seconds { get; set; }
    }
}
