using Steer.Runtime.Guidance;

namespace Steer.Runtime.Engine;

/// <summary>
/// Continuous batching: decides what each step computes. Running sequences come first, oldest first; prompts are computed in chunks beside
/// them as far as the row budget goes; waiting sequences join when their cache fits. Where the cache runs out while generating, the youngest
/// sequence gives its blocks back and waits; its tokens are kept, and computing them again gives the same bits.
/// </summary>
/// <param name="pools">One for each decoder.</param>
/// <param name="decoderOf">Decoder of each variant.</param>
/// <param name="limits">How much a step may hold.</param>
internal sealed class Scheduler(IReadOnlyList<BlockPool> pools, IReadOnlyDictionary<Variant, int> decoderOf, StepLimits limits)
{
    private readonly List<Sequence> _running = [];
    private readonly List<Sequence> _prefilling = [];
    private readonly LinkedList<Sequence> _waiting = new();
    private readonly int[] _rowsLeft = new int[pools.Count];
    private readonly int[] _contextsLeft = new int[pools.Count];
    private int _logitsLeft;

    /// <summary>Sequences that hold blocks of the cache, oldest first.</summary>
    public IReadOnlyList<Sequence> Running => _running;

    /// <summary>Times a sequence gave its cache back.</summary>
    public int Preemptions { get; private set; }

    public bool HasWork => _running.Count + _waiting.Count > 0;

    public void Enqueue(Sequence sequence) => _waiting.AddLast(sequence);

    /// <summary>Removes a sequence that ended, failed or was cancelled.</summary>
    public void Remove(Sequence sequence)
    {
        if (!_running.Remove(sequence))
            _waiting.Remove(sequence);
        Release(sequence);
    }

    /// <summary>All sequences, running or waiting.</summary>
    public IEnumerable<Sequence> All => _running.Concat(_waiting);

    /// <summary>A sequence that was cancelled; null where there is none.</summary>
    public Sequence? FindCancelled()
    {
        foreach (var sequence in _running)
        {
            if (sequence.Cancelled)
                return sequence;
        }

        foreach (var sequence in _waiting)
        {
            if (sequence.Cancelled)
                return sequence;
        }

        return null;
    }

    /// <summary>Fills the plan of the next step.</summary>
    public void Schedule(StepPlan plan)
    {
        plan.Clear();
        Array.Fill(_rowsLeft, limits.MaxRows);
        Array.Fill(_contextsLeft, limits.MaxContexts);
        _logitsLeft = limits.MaxContexts;

        // Tokens first, so that a long prompt never stalls the texts that run beside it.
        _prefilling.Clear();
        for (int i = 0; i < _running.Count; i++)
        {
            var sequence = _running[i];
            if (!MakeRoom(sequence, plan))
                break;
            if (Draws(sequence) is > 0 and var draws)
                Plan(sequence, plan, draws);
            else
                _prefilling.Add(sequence);
        }

        foreach (var sequence in _prefilling)
            Plan(sequence, plan, draws: 0);

        while (_waiting.First is { } first && _running.Count < limits.MaxSequences && Fits(first.Value))
        {
            _waiting.RemoveFirst();
            foreach (var context in first.Value.Contexts)
                PoolOf(context).AddPrompt(context);
            _running.Add(first.Value);
            Plan(first.Value, plan, Draws(first.Value));
        }

        if (limits.MaxSteps > 1 && IsDecode(plan))
            Queue(plan);
    }

    /// <summary>
    /// Whether the next plan may be executed before the texts of this one are delivered: a text that ends by a stop text is then noticed one plan
    /// later. Not where the device is the host, nor where such a text would keep others waiting.
    /// </summary>
    public bool MayRunAhead(StepPlan plan) =>
        limits.MaxSteps > 1 && plan.Draws.TrueForAll(d => d.Sequence.CanQueue && (_waiting.Count == 0 || !d.Sequence.EndsByText));

    /// <summary>Every row is the last token of a context, and every context's next token is drawn.</summary>
    private static bool IsDecode(StepPlan plan) =>
        plan.PrefillRows == 0 && plan.Rows.Count > 0 && plan.Rows.TrueForAll(r => r.Draw >= 0) && plan.Draws.TrueForAll(d => d.Sequence.CanQueue);

    /// <summary>
    /// Lets as many steps follow each other as texts go on and their cache has room, which is reserved here. Fewer where others wait: the place of
    /// a text that ends stays empty until the last of the steps.
    /// </summary>
    private void Queue(StepPlan plan)
    {
        int steps = Math.Min(_waiting.Count > 0 ? Math.Max(1, limits.MaxSteps / 4) : limits.MaxSteps, plan.Draws.Max(d => d.Sequence.TokensLeft));
        while (steps > 1 && !plan.Draws.TrueForAll(d => TryReserve(d.Sequence, steps)))
            steps /= 2;
        plan.Steps = Math.Max(1, steps);
        foreach (var (context, _, _, _, draw) in plan.Rows)
            context.Advance(Math.Min(plan.Steps, plan.Draws[draw].Sequence.TokensLeft) - 1);
    }

    /// <summary>
    /// Reserves blocks for the positions of the next steps and the one after, which the last step prepares. The last token of a text is never
    /// computed and needs no room.
    /// </summary>
    private bool TryReserve(Sequence sequence, int steps)
    {
        foreach (var context in sequence.Contexts)
        {
            if (!PoolOf(context).TryGrow(context, context.Length + Math.Min(steps, sequence.TokensLeft - 1)))
                return false;
        }

        return true;
    }

    /// <summary>
    /// Room for the last token of every context, taken from the youngest sequence where no block is free. False where the youngest is the sequence
    /// itself.
    /// </summary>
    private bool MakeRoom(Sequence sequence, StepPlan plan)
    {
        foreach (var context in sequence.Contexts)
        {
            while (!PoolOf(context).TryGrow(context, context.Length))
            {
                var youngest = _running[^1];
                _running.RemoveAt(_running.Count - 1);
                _waiting.AddFirst(youngest);
                Release(youngest);
                plan.Preempted.Add(youngest);
                Preemptions++;
                if (youngest == sequence)
                    return false;
            }
        }

        return true;
    }

    /// <summary>Whether the sequence's cache fits and leaves one more block for every context that runs.</summary>
    private bool Fits(Sequence sequence)
    {
        for (int pool = 0; pool < pools.Count; pool++)
        {
            int needed = 0, growing = 0;
            foreach (var context in sequence.Contexts)
                needed += decoderOf[context.Variant] == pool ? pools[pool].Needed(context) : 0;
            foreach (var other in _running)
            {
                foreach (var context in other.Contexts)
                    growing += decoderOf[context.Variant] == pool ? 1 : 0;
            }

            if (needed + growing > pools[pool].Free)
                return false;
        }

        return true;
    }

    /// <summary>Plans all remaining rows where tokens are drawn; else as much of the prompts as fits, short of their last tokens.</summary>
    private void Plan(Sequence sequence, StepPlan plan, int draws)
    {
        foreach (var context in sequence.Contexts)
        {
            int decoder = decoderOf[context.Variant];
            int count = draws > 0
                ? context.Remaining + draws - 1
                : Math.Min(context.Available(), Math.Min(context.Remaining - 1, _rowsLeft[decoder]));
            if (count <= 0 || _contextsLeft[decoder] == 0)
                continue;
            plan.Rows.Add(new ScheduledRows(context, context.Computed, count, draws, draws > 0 ? plan.Draws.Count : -1));
            context.Advance(count);
            plan.PrefillRows += count - draws;
            _rowsLeft[decoder] -= count;
            _contextsLeft[decoder]--;
        }

        if (draws > 0)
        {
            _logitsLeft -= draws * sequence.Contexts.Length;
            plan.Draws.Add(new ScheduledDraw(sequence, draws));
        }
    }

    /// <summary>How many tokens the sequence can draw in this step; 0 where its prompts are not done and do not fit.</summary>
    private int Draws(Sequence sequence)
    {
        int draws = Math.Min(sequence.MaxDraws, _logitsLeft / sequence.Contexts.Length);
        for (int decoder = 0; decoder < pools.Count; decoder++)
        {
            int rows = 0, contexts = 0;
            foreach (var context in sequence.Contexts)
            {
                if (decoderOf[context.Variant] != decoder)
                    continue;
                if (context.Available() < context.Remaining)
                    return 0;
                rows += context.Remaining;
                contexts++;
            }

            if (rows > _rowsLeft[decoder] || contexts > _contextsLeft[decoder])
                return 0;
            if (contexts > 0)
                draws = Math.Min(draws, 1 + (_rowsLeft[decoder] - rows) / contexts);
        }

        foreach (var context in sequence.Contexts)
        {
            if (draws > 1 && !PoolOf(context).TryGrow(context, context.Length + draws - 1))
                draws = 1;
        }

        return draws;
    }

    private void Release(Sequence sequence)
    {
        foreach (var context in sequence.Contexts)
        {
            PoolOf(context).Release(context);
            context.Reset();
        }
    }

    private BlockPool PoolOf(Context context) => pools[decoderOf[context.Variant]];
}
