namespace Steer.Kernels.Profiling;

/// <summary>Which kernel was called; products are told apart by their weight's shape.</summary>
/// <param name="Kernel">Name of the kernel, as <see cref="Device"/> has it.</param>
/// <param name="N">Output features of a product; 0 for other kernels.</param>
/// <param name="K">Input features of a product; 0 for other kernels.</param>
/// <param name="Format">How a product's weight is held; float32 for other kernels, which compute in it.</param>
public readonly record struct KernelId(string Kernel, int N = 0, int K = 0, WeightFormat Format = default)
{
    /// <inheritdoc/>
    public override string ToString() => N > 0 ? $"{Kernel} {N}x{K}" : Kernel;
}

/// <summary>What a call cannot do without.</summary>
/// <param name="Operations">Float or integer operations; a multiply-add is two, an exponential <see cref="Exponential"/>.</param>
/// <param name="StoredBytes">Bytes of weights and cache: nobody has touched them since the step before.</param>
/// <param name="PassedBytes">
/// Bytes of activations read and written: the kernel before or after has them too, so they are in a cache as a rule.
/// </param>
public readonly record struct KernelCost(double Operations, double StoredBytes, double PassedBytes)
{
    /// <summary>Operations of an exponential: a polynomial of degree 6, its reduction and its scaling, about.</summary>
    public const double Exponential = 18;

    /// <summary>Both together.</summary>
    public static KernelCost operator +(KernelCost a, KernelCost b) =>
        new(a.Operations + b.Operations, a.StoredBytes + b.StoredBytes, a.PassedBytes + b.PassedBytes);
}

/// <summary>All calls of one kernel.</summary>
/// <param name="Id">Which.</param>
/// <param name="Calls">How often.</param>
/// <param name="Seconds">How long, all together.</param>
/// <param name="Cost">All costs together.</param>
public readonly record struct KernelTiming(KernelId Id, long Calls, double Seconds, KernelCost Cost);

/// <summary>Adds up what kernels took. Safe to use from several threads.</summary>
public sealed class KernelProfile
{
    private readonly Dictionary<KernelId, KernelTiming> _timings = [];
    private readonly Lock _lock = new();

    /// <summary>Notes a call.</summary>
    public void Add(KernelId id, double seconds, KernelCost cost)
    {
        lock (_lock)
        {
            var sum = _timings.GetValueOrDefault(id);
            _timings[id] = new KernelTiming(id, sum.Calls + 1, sum.Seconds + seconds, sum.Cost + cost);
        }
    }

    /// <summary>What was noted since the last time, longest first.</summary>
    public IReadOnlyList<KernelTiming> Take()
    {
        lock (_lock)
        {
            KernelTiming[] taken = [.. _timings.Values.OrderByDescending(t => t.Seconds)];
            _timings.Clear();
            return taken;
        }
    }
}
