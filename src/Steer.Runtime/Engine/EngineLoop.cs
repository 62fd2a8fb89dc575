using System.Diagnostics;
using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>
/// The engine's thread: schedule, execute, process the output, again and again. Everything that touches the device happens here;
/// other threads only submit sequences and take results. While the device executes one plan, the texts of the plan before are delivered.
/// </summary>
internal sealed class EngineLoop : IDisposable
{
    private readonly Device _device;
    private readonly ModelRunner _runner;
    private readonly Scheduler _scheduler;
    private readonly OutputProcessor _output;
    private readonly EngineProfiler? _profiler;
    private readonly Lock _lock = new();
    private readonly Queue<Sequence> _incoming = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly Thread _thread;
    private Round _round;
    private Round _spare;
    private Round? _undelivered;
    private volatile bool _stopping;
    private Exception? _failure;
    private EngineStatistics _statistics;

    public EngineLoop(Device device, ModelRunner runner, Scheduler scheduler, OutputProcessor output, EngineProfiler? profiler = null)
    {
        _round = new Round(runner.CreateResults());
        _spare = new Round(runner.CreateResults());
        _device = device;
        _runner = runner;
        _scheduler = scheduler;
        _output = output;
        _profiler = profiler;
        _thread = new Thread(Run) { IsBackground = true, Name = "steer engine" };
        _thread.Start();
    }

    /// <summary>Counters; memory is filled in by the engine.</summary>
    public EngineStatistics Statistics
    {
        get
        {
            lock (_lock)
                return _statistics;
        }
    }

    /// <summary>The caller runs on the engine's thread.</summary>
    public bool IsCurrentThread => Thread.CurrentThread == _thread;

    /// <summary>Queues sequences for the next step; those of one call are scheduled together.</summary>
    /// <exception cref="ObjectDisposedException">The engine is disposed.</exception>
    /// <exception cref="SteerException">The engine stopped after an error that one line explains.</exception>
    /// <exception cref="InvalidOperationException">The engine stopped after another error.</exception>
    public void Submit(params ReadOnlySpan<Sequence> sequences)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stopping, typeof(SteerEngine));
            if (_failure is SteerException)
                throw new SteerException(_failure.Message, _failure);
            if (_failure is not null)
                throw new InvalidOperationException("The engine stopped after an error; load it again.", _failure);
            foreach (var sequence in sequences)
                _incoming.Enqueue(sequence);
            _wake.Set();
        }
    }

    /// <summary>Wakes the thread, so that it drops cancelled sequences.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            if (!_stopping)
                _wake.Set();
        }
    }

    public void Dispose()
    {
        lock (_lock)
            _stopping = true;
        _wake.Set();
        _thread.Join();
        _wake.Dispose();
    }

    private void Run()
    {
        try
        {
            while (!_stopping)
            {
                TakeIncoming();
                DropCancelled();
                if (_scheduler.HasWork)
                    Step();
                else if (_undelivered is not null)
                    Deliver();
                else
                    _wake.WaitOne();
            }

            FailAll(new ObjectDisposedException(nameof(SteerEngine)));
        }
        catch (Exception e)
        {
            var failure = Explain(e);
            lock (_lock)
                _failure = failure;
            FailAll(failure);
        }
    }

    private Exception Explain(Exception error) => error is OutOfMemoryException
        ? new SteerException("The device has too little memory for what a step needs beside the cache: lower --memory or --max-batch.", error)
        : _device.Explain(error) is { } line ? new SteerException(line, error) : error;

    private void Step()
    {
        long started = Stopwatch.GetTimestamp();
        (_round, _spare) = (_spare, _round);
        var (plan, results) = (_round.Plan, _round.Results);
        _scheduler.Schedule(plan);
        foreach (var sequence in plan.Preempted)
            _runner.Retire(sequence);
        if (plan.Rows.Count == 0)
            throw new InvalidOperationException("The scheduler has work and planned none of it.");
        _profiler?.Begin(plan);
        _runner.Execute(plan, results);

        // The device is at work: time for the texts of the round before.
        Deliver();
        results.Wait();
        _output.AppendTokens(plan, results);
        RemoveEnded();
        _undelivered = _round;
        _round.Seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        if (!_scheduler.MayRunAhead(plan))
            Deliver(started);
    }

    /// <summary>Delivers the texts of the last round, unless that is done.</summary>
    /// <param name="started">When the round began, where the device idles meanwhile: delivery is then part of the round's time.</param>
    private void Deliver(long? started = null)
    {
        if (_undelivered is not { } round)
            return;
        _output.Deliver(round.Plan, round.Results);
        RemoveEnded();
        if (started is { } start)
            round.Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        _profiler?.End(round.Plan, round.Seconds);
        lock (_lock)
            Count(round);

        // After the count, so that whoever holds a result finds it in the statistics.
        _output.Notify();
        _undelivered = null;
    }

    private void TakeIncoming()
    {
        lock (_lock)
        {
            while (_incoming.TryDequeue(out var sequence))
                _scheduler.Enqueue(sequence);
        }
    }

    private void DropCancelled()
    {
        while (_scheduler.FindCancelled() is { } sequence)
        {
            Remove(sequence);
            sequence.Ended = true;
            sequence.Sink.OnFailed(sequence, new OperationCanceledException());
        }
    }

    private void RemoveEnded()
    {
        foreach (var sequence in _output.Ended)
            Remove(sequence);
    }

    private void Remove(Sequence sequence)
    {
        _scheduler.Remove(sequence);
        _runner.Retire(sequence);
    }

    private void FailAll(Exception error)
    {
        _output.Notify();
        TakeIncoming();
        var undelivered = _undelivered?.Plan.Draws.Select(d => d.Sequence) ?? [];
        foreach (var sequence in _scheduler.All.Concat(undelivered).Where(s => !s.Ended).Distinct().ToList())
            sequence.Sink.OnFailed(sequence, error);
    }

    private void Count(Round round)
    {
        int prefill = round.Plan.PrefillRows + _output.KnownRows;
        double prefillShare = (double)prefill / Math.Max(1, prefill + _output.Rows);
        _statistics = _statistics with
        {
            Steps = _statistics.Steps + round.Plan.Steps,
            Rounds = _statistics.Rounds + 1,
            PrefillRows = _statistics.PrefillRows + prefill,
            DecodeRows = _statistics.DecodeRows + _output.Rows,
            GeneratedTokens = _statistics.GeneratedTokens + _output.Tokens,
            FinishedTexts = _statistics.FinishedTexts + _output.Finished,
            PrefillSeconds = _statistics.PrefillSeconds + round.Seconds * prefillShare,
            DecodeSeconds = _statistics.DecodeSeconds + round.Seconds * (1 - prefillShare),
            Preemptions = _scheduler.Preemptions,
        };
    }

    /// <summary>A plan, what it gave, and the time it took.</summary>
    private sealed class Round(StepResults results)
    {
        public StepPlan Plan { get; } = new();

        public StepResults Results { get; } = results;

        public double Seconds { get; set; }
    }
}
