namespace Steer.Kernels.Host;

/// <summary>
/// <see cref="Device.GuideAndSample"/> on the processor: a sequence is one thread's work from its logits to its token, so that its bits depend on
/// nothing else in the batch. The mask leaves few tokens as a rule: they are gathered into a list, and all that follows works on the list.
/// </summary>
internal static unsafe class GuideAndSampleKernel
{
    /// <summary>Runs one step for every sequence of the batch.</summary>
    /// <exception cref="ArgumentException">A row names something outside the arrays of the batch, or these are another device's.</exception>
    public static void Run(ThreadTeam team, GuideBatch batch)
    {
        for (int sequence = 0; sequence < batch.Sequences; sequence++)
            Check(batch, sequence);
        if (batch.Workspace is not GuideAndSampleJob job)
            batch.Workspace = job = new GuideAndSampleJob(batch, team.Threads);
        job.Start();
        // The workspace may be that of a device of fewer threads.
        team.Run(job, Math.Min(Math.Min(team.Threads, job.MaxParts), batch.Sequences));
    }

    private static void Check(GuideBatch batch, int sequence)
    {
        var row = HostMatrix.Pointer(batch.Rows)[sequence];
        Require(row.VocabSize >= 1 && row.VocabSize <= batch.VocabSize, "has another vocabulary");
        Require(row.BranchCount >= 1 && Inside(row.BranchStart, row.BranchCount, batch.Branches.Length), "has branches outside the batch");
        Require((uint)row.Reference < (uint)row.BranchCount, "has no such reference");
        Require(Inside(row.BiasStart, row.BiasCount, batch.Biases.Length), "has biases outside the batch");
        Require(row.Alternatives >= 0 && row.Alternatives <= batch.MaxAlternatives, "wants more alternatives than were reserved");
        Require(row.ForcedToken < row.VocabSize, "forces a token outside the vocabulary");
        Require(row.PenaltySlot < batch.PenaltyCounts.Length / batch.VocabSize, "has a penalty slot outside the batch");
        int group = 0;
        for (int j = 0; j < row.BranchCount; j++)
        {
            var branch = HostMatrix.Pointer(batch.Branches)[row.BranchStart + j];
            Require((uint)branch.LogitsRow < (uint)batch.Logits.Rows, "has logits outside the batch");
            Require(group > 0 ? branch.GroupSize == 0 : branch.GroupSize >= 1 && branch.GroupSize <= row.BranchCount - j, "has a broken group");
            group = group > 0 ? group - 1 : branch.GroupSize - 1;
        }
        for (int i = 0; i < row.BiasCount; i++)
        {
            int token = HostMatrix.Pointer(batch.Biases)[row.BiasStart + i].Token;
            Require((uint)token < (uint)row.VocabSize, "has a bias outside the vocabulary");
        }

        void Require(bool condition, string fault)
        {
            if (!condition)
                throw new ArgumentException($"Sequence {sequence} of the batch {fault}.", nameof(batch));
        }
    }

    private static bool Inside(int start, int count, long length) => start >= 0 && count >= 0 && (long)start + count <= length;
}

/// <summary>The threads' share of a launch: each takes the next sequence that nobody has begun, with the memory of its part.</summary>
internal sealed class GuideAndSampleJob : ParallelJob, IDisposable
{
    private readonly GuideBatch _batch;
    private readonly GuideAndSampleStep[] _steps;
    private int _next;

    /// <summary>Takes memory for <paramref name="threads"/> sequences at once.</summary>
    public GuideAndSampleJob(GuideBatch batch, int threads)
    {
        _batch = batch;
        _steps = new GuideAndSampleStep[threads];
        for (int i = 0; i < threads; i++)
            _steps[i] = new GuideAndSampleStep(batch);
    }

    /// <summary>Parts that may run at once.</summary>
    public int MaxParts => _steps.Length;

    /// <summary>What the first part did last.</summary>
    public GuideAndSampleStep First => _steps[0];

    /// <summary>Makes ready for a launch.</summary>
    public void Start() => _next = 0;

    /// <inheritdoc/>
    public override void Run(int part)
    {
        for (int sequence; (sequence = Interlocked.Increment(ref _next) - 1) < _batch.Sequences;)
            _steps[part].Run(sequence);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var step in _steps)
            step.Dispose();
    }
}
