using Steer.Kernels;
using Steer.Kernels.Profiling;
using Steer.Runtime.Engine;

namespace Steer.Cli.Runs;

/// <summary>What holds a kernel back at the least.</summary>
internal enum Bound
{
    /// <summary>Nothing that is measured: it computes nothing and moves nothing.</summary>
    None,

    /// <summary>Operations in registers.</summary>
    Arithmetic,

    /// <summary>Reading of weights and of the cache.</summary>
    Memory,

    /// <summary>Activations, which pass through the processor's caches.</summary>
    Cache,
}

/// <summary>One kernel beside what the machine can do.</summary>
/// <param name="Timing">What was measured.</param>
/// <param name="Share">Of the steps' time.</param>
/// <param name="LimitSeconds">The shortest time in which it could be done.</param>
/// <param name="Bound">What that time is taken from.</param>
internal readonly record struct RooflineRow(KernelTiming Timing, double Share, double LimitSeconds, Bound Bound)
{
    /// <summary>How near the kernel comes to its limit; above 1 where a cache nearer than the assumed one held what it read.</summary>
    public double OfLimit => LimitSeconds / Timing.Seconds;

    public double BytesPerSecond => (Timing.Cost.StoredBytes + Timing.Cost.PassedBytes) / Timing.Seconds;

    public double OperationsPerSecond => Timing.Cost.Operations / Timing.Seconds;

    /// <summary>Operations for each byte.</summary>
    public double Intensity => Timing.Cost.Operations / (Timing.Cost.StoredBytes + Timing.Cost.PassedBytes);
}

/// <summary>
/// The kernels of some steps beside the limits of the machine. Weights and cache are read at the rate of memory as large as what one step reads of
/// them; activations at that of memory as large as one call's.
/// </summary>
internal sealed class Roofline
{
    private readonly MachineLimits? _limits;

    /// <param name="profile">What was measured.</param>
    /// <param name="limits">Of the machine; null where nobody knows them.</param>
    public Roofline(StepProfile profile, MachineLimits? limits)
    {
        _limits = limits;
        Profile = profile;
        StoredRate = ReadRate(profile.Kernels.Sum(k => k.Cost.StoredBytes) / profile.Steps);
        Rows = [.. profile.Kernels.Select(Row)];
        PeakRate = OperationRate(profile.Kernels.MaxBy(k => k.Cost.Operations).Id.Format);
        Float32Rate = OperationRate(default);
    }

    public StepProfile Profile { get; }

    /// <summary>Longest first.</summary>
    public IReadOnlyList<RooflineRow> Rows { get; }

    /// <summary>Bytes per second of weights and cache.</summary>
    public double StoredRate { get; }

    /// <summary>Operations per second in the format that most are done in.</summary>
    public double PeakRate { get; }

    /// <summary>Operations per second in float32, which all but the products compute in.</summary>
    public double Float32Rate { get; }

    /// <summary>Share of the time outside all kernels: planning steps, handing out tokens.</summary>
    public double OutsideShare => 1 - (Profile.Kernels.Sum(k => k.Seconds) / Profile.Seconds);

    /// <summary>Share of the time in products with weights.</summary>
    public double ProductShare => Rows.Where(r => r.Timing.Id.N > 0).Sum(r => r.Share);

    private double OperationRate(WeightFormat format) => _limits?.OperationsPerSecond(format) ?? double.PositiveInfinity;

    private double ReadRate(double bytes) => _limits?.BytesPerSecond(bytes) ?? double.PositiveInfinity;

    private RooflineRow Row(KernelTiming timing)
    {
        var cost = timing.Cost;
        double arithmetic = cost.Operations / OperationRate(timing.Id.Format);
        double memory = cost.StoredBytes / StoredRate;
        double cache = cost.PassedBytes / ReadRate(cost.PassedBytes / timing.Calls);
        double limit = Math.Max(arithmetic, Math.Max(memory, cache));
        var bound = limit == 0 ? Bound.None : limit == arithmetic ? Bound.Arithmetic : limit == memory ? Bound.Memory : Bound.Cache;
        return new RooflineRow(timing, timing.Seconds / Profile.Seconds, limit, bound);
    }
}
