using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Host;

/// <summary>
/// Asks each thread of a team what it has allocated so far: one part for each, all of which are under way at once, so that no thread takes two.
/// </summary>
internal sealed class AllocationJob(ThreadTeam team) : ParallelJob
{
    private readonly (int Thread, long Bytes)[] _parts = new (int, long)[team.Threads];
    private int _arrived;

    /// <summary>Bytes by thread.</summary>
    public Dictionary<int, long> Measure()
    {
        team.Run(this, _parts.Length);
        return _parts.ToDictionary(p => p.Thread, p => p.Bytes);
    }

    public override void Run(int part)
    {
        int round = (Interlocked.Increment(ref _arrived) - 1) / _parts.Length;
        while (Volatile.Read(ref _arrived) < (round + 1) * _parts.Length)
            Thread.Yield();
        _parts[part] = (Environment.CurrentManagedThreadId, GC.GetAllocatedBytesForCurrentThread());
    }
}
