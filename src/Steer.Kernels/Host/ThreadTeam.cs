using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace Steer.Kernels.Host;

/// <summary>Work that a <see cref="ThreadTeam"/> runs in parts. Made once and reused: a launch allocates nothing.</summary>
internal abstract class ParallelJob
{
    /// <summary>Does part <paramref name="part"/>; called once for each, on any thread of the team, in any order.</summary>
    public abstract void Run(int part);

    /// <summary>Does all parts here, in order: for work too small to share.</summary>
    public void RunAll(int parts)
    {
        for (int part = 0; part < parts; part++)
            Run(part);
    }
}

/// <summary>
/// Threads that run the parts of one job at a time together with the caller. Between jobs they spin, after a while give way to
/// others at every turn, and sleep after about a millisecond, so that a launch in a busy stretch costs neither a lock nor a system call. Teams of one
/// process know of each other: where they have more threads awake than there are processors, they give way much sooner.
/// Parts are drawn from one counter: whoever is free takes the next, and a thread that the system keeps waiting holds up nothing but the part it has
/// begun.
/// </summary>
internal sealed class ThreadTeam : IDisposable
{
    // Turns of a waiting loop, about 40 ns each, before it gives way: longer than what a step does between two launches. Where there are more threads
    // than processors, the one that is waited for may need this very processor.
    private const int Spins = 8000;
    private const int CrowdedSpins = 500;
    private static readonly long AwakeTicks = Stopwatch.Frequency / 1000;

    // Threads of all teams of this process that are awake, the caller of each team with an awake worker included.
    private static int _threadsAwake;

    private readonly Thread[] _workers;
    private readonly object _gate = new();

    // Launch number above, parts not yet taken below. A part is taken by lowering the count with a compare-exchange, which fails when
    // a launch has ended meanwhile: the job read before it is therefore the one the part belongs to.
    private PaddedLong _ticket;
    private PaddedLong _unfinished;
    private ParallelJob? _job;
    private int _parts;
    private int _sleeping;
    private int _awake;
    private volatile bool _stop;
    private ExceptionDispatchInfo? _error;

    /// <summary>Starts <paramref name="threads"/> - 1 workers; the caller of <see cref="Run"/> is the last one.</summary>
    /// <param name="threads">At least 1.</param>
    /// <param name="start">Starts a worker; null for <see cref="Thread.Start()"/>.</param>
    /// <exception cref="OutOfMemoryException">The system gives no more threads; those that began have ended.</exception>
    public ThreadTeam(int threads, Action<Thread>? start = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        Threads = threads;
        _workers = new Thread[threads - 1];
        _awake = _workers.Length;
        if (_awake > 0)
            Interlocked.Add(ref _threadsAwake, threads);
        int started = 0;
        try
        {
            for (; started < _workers.Length; started++)
            {
                _workers[started] = new Thread(Work) { IsBackground = true, Name = $"steer-{started + 1}" };
                (start ?? (worker => worker.Start()))(_workers[started]);
            }
        }
        catch
        {
            _workers = _workers[..started];
            Dispose();
            throw;
        }
    }

    /// <summary>Threads that take parts, the caller included.</summary>
    public int Threads { get; }

    /// <summary>Threads of all teams of this process that do not sleep.</summary>
    internal static int ThreadsAwake => Volatile.Read(ref _threadsAwake);

    /// <summary>Runs parts 0 .. parts - 1 and returns when all are done. One caller at a time; not from inside a part.</summary>
    /// <exception cref="ObjectDisposedException">The team was disposed.</exception>
    public void Run(ParallelJob job, int parts)
    {
        ObjectDisposedException.ThrowIf(_stop, this);
        if (parts <= 1 || _workers.Length == 0)
        {
            job.RunAll(parts);
            return;
        }

        _job = job;
        _parts = parts;
        Volatile.Write(ref _unfinished.Value, parts);
        long launch = (_ticket.Value >> 32) + 1;
        // A full fence: either a worker that is going to sleep sees this launch, or its sleep is seen below.
        Interlocked.Exchange(ref _ticket.Value, (launch << 32) | (uint)parts);
        if (Volatile.Read(ref _sleeping) > 0)
        {
            lock (_gate)
                Monitor.PulseAll(_gate);
        }
        TakeParts();
        int limit = SpinLimit;
        for (int spins = 0; Volatile.Read(ref _unfinished.Value) > 0; spins++)
            Pause(spins < limit);
        _job = null;
        if (_error is { } error)
        {
            _error = null;
            error.Throw();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_stop)
            return;
        _stop = true;
        lock (_gate)
            Monitor.PulseAll(_gate);
        foreach (var worker in _workers)
            worker.Join();
        // A worker that was asleep woke up to end.
        if (Threads > 1)
            Interlocked.Add(ref _threadsAwake, -Threads);
    }

    private void TakeParts()
    {
        int done = 0;
        while (true)
        {
            long ticket = Volatile.Read(ref _ticket.Value);
            uint left = (uint)ticket;
            if (left == 0)
                break;
            var job = _job;
            int part = _parts - (int)left;
            if (Interlocked.CompareExchange(ref _ticket.Value, ticket - 1, ticket) != ticket)
                continue;
            try
            {
                job!.Run(part);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref _error, ExceptionDispatchInfo.Capture(e), null);
            }
            done++;
        }
        // Told once for all parts: nothing is left of the launch, and no other begins before this.
        if (done > 0)
            Interlocked.Add(ref _unfinished.Value, -done);
    }

    private void Work()
    {
        while (!_stop)
        {
            TakeParts();
            WaitForLaunch();
        }
    }

    private void WaitForLaunch()
    {
        int limit = SpinLimit;
        long end = 0;
        for (int spins = 0; spins < limit || Stopwatch.GetTimestamp() < end; spins++)
        {
            if ((uint)Volatile.Read(ref _ticket.Value) != 0 || _stop)
                return;
            if (spins == limit - 1)
                end = Stopwatch.GetTimestamp() + AwakeTicks;
            Pause(spins < limit);
        }

        lock (_gate)
        {
            CountAwake(-1);
            Interlocked.Increment(ref _sleeping);
            while ((uint)Volatile.Read(ref _ticket.Value) == 0 && !_stop)
                Monitor.Wait(_gate);
            Interlocked.Decrement(ref _sleeping);
            CountAwake(1);
        }
    }

    // A worker falls asleep (-1) or wakes (1), under the gate; with the last of them the caller no longer counts either.
    private void CountAwake(int change)
    {
        int before = _awake;
        _awake += change;
        Interlocked.Add(ref _threadsAwake, change * (before == 0 || _awake == 0 ? 2 : 1));
    }

    private static int SpinLimit => ThreadsAwake > Environment.ProcessorCount ? CrowdedSpins : Spins;

    private static void Pause(bool spin)
    {
        if (spin)
            Thread.SpinWait(1);
        else
            Thread.Yield();
    }

    /// <summary>A counter with a cache line to itself, so that taking a part does not slow those who read the fields beside it.</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 192)]
    private struct PaddedLong
    {
        [System.Runtime.InteropServices.FieldOffset(64)]
        public long Value;
    }
}
