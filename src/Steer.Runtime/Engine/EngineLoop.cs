using System.Diagnostics;
using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>
/// The engine's thread: schedule, run, hand out, again and again. Everything that touches the device happens here;
/// other threads only leave sequences and take results.
/// </summary>
internal sealed class EngineLoop : IDisposable
{
    private readonly ModelSet _models;
    private readonly ModelRunner _runner;
    private readonly Scheduler _scheduler;
    private readonly StepPlan _plan = new();
    private readonly Lock _lock = new();
    private readonly Queue<Sequence> _incoming = new();
    private readonly AutoResetEvent _wake = new(false);
    private readonly Thread _thread;
    private readonly HashSet<int> _eosIds;
    private readonly float[] _logits;
    private readonly float[] _hidden;
    private volatile bool _stopping;
    private Exception? _failure;
    private EngineStatistics _statistics;

    public EngineLoop(ModelSet models, ModelRunner runner, Scheduler scheduler, int vocabSize)
    {
        _models = models;
        _runner = runner;
        _scheduler = scheduler;
        _eosIds = [.. models.EosIds];
        _logits = new float[vocabSize];
        _hidden = new float[models.Shapes.Max(s => s.HiddenSize)];
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

    /// <summary>Leaves a sequence for the next step.</summary>
    /// <exception cref="ObjectDisposedException">The engine is disposed.</exception>
    public void Submit(Sequence sequence)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_stopping, typeof(SteerEngine));
            if (_failure is not null)
                throw new InvalidOperationException("The engine stopped after an error; load it again.", _failure);
            _incoming.Enqueue(sequence);
        }

        _wake.Set();
    }

    /// <summary>Wakes the thread, so that it sees what was cancelled.</summary>
    public void Wake() => _wake.Set();

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
                else
                    _wake.WaitOne();
            }

            FailAll(new ObjectDisposedException(nameof(SteerEngine)));
        }
        catch (Exception e)
        {
            lock (_lock)
                _failure = e;
            FailAll(e);
        }
    }

    private void Step()
    {
        long started = Stopwatch.GetTimestamp();
        _scheduler.Schedule(_plan);
        foreach (var sequence in _plan.Preempted)
            _runner.Retire(sequence);
        if (_plan.Rows.Count == 0)
            throw new InvalidOperationException("The scheduler found work and nothing to do.");
        _runner.Execute(_plan);
        HandOut();
        Count(Stopwatch.GetElapsedTime(started).TotalSeconds);
    }

    /// <summary>Gives every drawn token to its sequence, and ends those that are done.</summary>
    private void HandOut()
    {
        int row = 0, branch = 0;
        foreach (var (sequence, draws) in _plan.Draws)
        {
            int branches = sequence.Contexts.Count, firstRow = row, firstBranch = branch;
            row += draws;
            branch += draws * branches;
            for (int draw = 0; draw < draws; draw++)
            {
                if (_runner.Results[firstRow + draw].Invalid != 0)
                {
                    Remove(sequence);
                    sequence.Sink.OnFailed(sequence, new SteerException(
                        "The model gave logits that are no numbers, or every token is banned: check the weights and the logit bias."));
                    break;
                }

                Keep(sequence, draw, firstRow + draw, firstBranch + draw * branches);
                if (Accept(sequence, _runner.Results[firstRow + draw].Token))
                {
                    Remove(sequence);
                    lock (_lock)
                        _statistics = _statistics with { FinishedTexts = _statistics.FinishedTexts + 1 };
                    break;
                }
            }
        }
    }

    /// <summary>Adds a token to its sequence; true where it ends the text.</summary>
    private bool Accept(Sequence sequence, int token)
    {
        var sampling = sequence.Sampling;
        sequence.Generated.Add(token);
        FinishReason? reason = null;
        bool ends = sequence.Forced is null && ((!sampling.IgnoreEos && _eosIds.Contains(token)) || sampling.StopTokenIds.Contains(token));
        if (ends)
            reason = FinishReason.Stop;
        else if (sequence.Text?.Append(token) == true)
            reason = FinishReason.Stop;
        else if (sequence.Generated.Count >= sequence.MaxTokens)
            reason = sequence.Text?.Flush() == true ? FinishReason.Stop : FinishReason.Length;
        sequence.Sink.OnToken(sequence, token, sequence.Text?.Release(final: reason is not null) ?? "", reason);
        return reason is not null;
    }

    private void Keep(Sequence sequence, int draw, int row, int branch)
    {
        for (int i = 0; sequence.KeepLogits && i < sequence.Contexts.Count; i++)
        {
            int vocab = _models[sequence.Contexts[i].Variant].Config.VocabSize;
            _runner.ReadLogits(sequence.Contexts[i], draw, _logits.AsSpan(0, vocab));
            sequence.Sink.OnLogits(sequence, i, _logits.AsSpan(0, vocab));
        }

        if (sequence.KeepHidden)
        {
            var hidden = _hidden.AsSpan(0, _models[sequence.Contexts[0].Variant].Config.HiddenSize);
            _runner.ReadHidden(sequence.Contexts[0], draw, hidden);
            sequence.Sink.OnHidden(sequence, hidden);
        }

        if (sequence.Sampling.LogProbs is not { } count)
            return;
        var result = _runner.Results[row];
        var alternatives = _runner.Alternatives.AsSpan(row * SamplingParams.MaxLogProbs, count);
        var kept = new List<Alternative>(count);
        foreach (var alternative in alternatives)
        {
            if (alternative.Token >= 0)
                kept.Add(new Alternative(alternative.Token, alternative.LogProb));
        }

        sequence.LogProbs.Add(new TokenLogProbs(
            result.LogProb, result.Entropy, result.Temperature, _runner.BranchLogProbs.AsSpan(branch, sequence.Contexts.Count).ToArray(), kept));
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
        List<Sequence>? cancelled = null;
        foreach (var sequence in _scheduler.All)
        {
            if (sequence.Cancelled)
                (cancelled ??= []).Add(sequence);
        }

        foreach (var sequence in cancelled ?? [])
        {
            Remove(sequence);
            sequence.Sink.OnFailed(sequence, new OperationCanceledException());
        }
    }

    private void Remove(Sequence sequence)
    {
        _scheduler.Remove(sequence);
        _runner.Retire(sequence);
    }

    private void FailAll(Exception error)
    {
        TakeIncoming();
        foreach (var sequence in _scheduler.All.ToList())
            sequence.Sink.OnFailed(sequence, error);
    }

    private void Count(double seconds)
    {
        int draws = _plan.Draws.Sum(d => d.Draws), decodeRows = _plan.Draws.Sum(d => d.Draws * d.Sequence.Contexts.Count);
        double prefillShare = (double)_plan.PrefillRows / (_plan.PrefillRows + decodeRows);
        lock (_lock)
        {
            _statistics = _statistics with
            {
                Steps = _statistics.Steps + 1,
                PrefillRows = _statistics.PrefillRows + _plan.PrefillRows,
                DecodeRows = _statistics.DecodeRows + decodeRows,
                GeneratedTokens = _statistics.GeneratedTokens + draws,
                PrefillSeconds = _statistics.PrefillSeconds + seconds * prefillShare,
                DecodeSeconds = _statistics.DecodeSeconds + seconds * (1 - prefillShare),
                Preemptions = _scheduler.Preemptions,
            };
        }
    }
}
