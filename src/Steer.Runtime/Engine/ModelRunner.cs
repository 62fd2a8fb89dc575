using Steer.Kernels;

namespace Steer.Runtime.Engine;

/// <summary>
/// Carries out a plan: in each step one forward pass for each shape of model, then the guided draws of every sequence that is ready. The steps of a
/// plan follow each other on the device; what they gave is read at their end.
/// </summary>
internal sealed class ModelRunner : IDisposable
{
    /// <summary>Most bias entries of one sequence: its logit_bias and the tokens that min_tokens bans. Also its most stop tokens.</summary>
    public const int MaxBiases = 1024;

    private readonly Device _device;
    private readonly DeviceMemory _memory;
    private readonly StepLimits _limits;
    private readonly DecoderUnit[] _units;
    private readonly ForwardBatch[] _batches;
    private readonly GuideBatch _guide;
    private readonly DecodeBatch _decode;
    private readonly SampleLayout _layout;
    private readonly Stack<int> _penaltySlots;
    private readonly Dictionary<Context, int> _logitRows = [];
    private readonly List<int> _key = [];
    private readonly Action _decodeStep;

    /// <summary>Takes memory for everything but the caches.</summary>
    /// <exception cref="OutOfMemoryException">The device has no room for it.</exception>
    public ModelRunner(Device device, ModelSet models, int numBlocks, StepLimits limits)
    {
        _device = device;
        _memory = new DeviceMemory(device);
        _limits = limits;
        VocabSize = models.Shapes.Max(s => s.VocabSize);
        _guide = _memory.Take(() => new GuideBatch(
            device, limits.MaxContexts, limits.MaxContexts, VocabSize, limits.MaxSequences, limits.MaxSequences * MaxBiases,
            SamplingParams.MaxLogProbs, [.. models.EosIds]));
        _decode = _memory.Take(() => new DecodeBatch(device, _guide, limits.MaxSteps, limits.MaxSequences * MaxBiases));
        _layout = new SampleLayout(_guide, _decode);
        _units = [.. models.Shapes.Select(
            (s, i) => _memory.Take(() => new DecoderUnit(device, s, numBlocks, limits, models.Variants.Where(v => v.Decoder == i))))];
        _batches = [.. _units.Select(u => u.Batch)];
        _penaltySlots = new Stack<int>(Enumerable.Range(0, limits.MaxSequences));
        _decodeStep = () =>
        {
            Step();
            _device.Advance(_guide, _decode, _batches);
        };
    }

    /// <summary>Tokens of the widest vocabulary.</summary>
    public int VocabSize { get; }

    public long ScratchBytes => _units.Sum(u => u.Decoder.ScratchBytes);

    /// <summary>Makes the caches, with half as many blocks as often as the device has no room. Returns how many each has.</summary>
    /// <exception cref="OutOfMemoryException">There is not even room for the least.</exception>
    public int CreateCaches(CacheBudget budget)
    {
        for (int blocks = budget.Blocks; ; blocks /= 2)
        {
            try
            {
                foreach (var unit in _units)
                    unit.CreateCache(budget.Shape(unit.Decoder.Config, blocks));
                return blocks;
            }
            catch (OutOfMemoryException) when (blocks / 2 >= CacheBudget.LeastBlocks)
            {
                foreach (var unit in _units)
                    unit.DropCache();
            }
        }
    }

    /// <summary>Memory for what plans give; it lives as long as the runner.</summary>
    public StepResults CreateResults() => _memory.Take(() => new StepResults(_device, _limits));

    /// <summary>Queues the steps of a plan, and asks for what its sequences drew.</summary>
    public void Execute(StepPlan plan, StepResults results)
    {
        Lay(plan);
        if (plan.Steps == 1)
            Step();
        else
            _device.Repeat(Key(), plan.Steps, _decodeStep);
        if (plan.Draws.Count > 0)
            results.Request(plan, _guide, _decode);
    }

    /// <summary>Copies the raw logits of one branch at one of the draws of the last step.</summary>
    public void ReadLogits(Context context, int draw, Span<float> logits) =>
        _guide.Logits.Buffer.Download(logits, (long)(_logitRows[context] + draw) * VocabSize);

    /// <summary>Copies the hidden state [hidden size] from which the logits of one branch at one of the draws of the last step were made.</summary>
    public void ReadHidden(Context context, int draw, Span<float> hidden)
    {
        var unit = Array.Find(_units, u => u.Runs(context.Variant))!;
        var rows = unit.Decoder.LogitHidden;
        rows.Buffer.Download(hidden, rows.Offset + (long)(_logitRows[context] - unit.FirstLogitRow + draw) * rows.Stride);
    }

    /// <summary>Takes the row of penalty counts of a sequence back.</summary>
    public void Retire(Sequence sequence)
    {
        if (sequence.PenaltySlot < 0)
            return;
        _penaltySlots.Push(sequence.PenaltySlot);
        sequence.PenaltySlot = -1;
    }

    public void Dispose() => _memory.Dispose();

    private void Lay(StepPlan plan)
    {
        int padding = plan.Steps > 1 ? Padding(plan) : 0, logits = 0;
        _logitRows.Clear();
        foreach (var unit in _units)
            logits += unit.Lay(plan, padding, logits, _logitRows);
        foreach (var (sequence, _) in plan.Draws)
            Admit(sequence);
        _layout.Lay(plan, padding, _logitRows);
    }

    private void Step()
    {
        foreach (var unit in _units)
            unit.Forward(_guide.Logits);
        foreach (var (firstRow, rows, temperature) in _layout.Tempered)
            _device.ScaleAndCap(_guide.Logits.RowSlice(firstRow, rows), 1 / temperature, cap: 0);
        if (_guide.Sequences > 0)
            _device.GuideAndSample(_guide);
    }

    /// <summary>
    /// Copies of the last sequence that fill the batch up to a size that the device likes. They count as finished: their rows compute
    /// what the original's compute, and nobody looks at them.
    /// </summary>
    private int Padding(StepPlan plan)
    {
        int padding = _device.BatchBucket(plan.Draws.Count) - plan.Draws.Count;
        int rows = plan.Rows.Count + padding * plan.Draws[^1].Sequence.Contexts.Length;
        return rows <= Math.Min(_limits.MaxContexts, _limits.MaxRows) ? padding : 0;
    }

    private StepKey Key()
    {
        _key.Clear();
        _key.AddRange([_guide.Sequences, _decode.Branches]);
        foreach (var (firstRow, rows, temperature) in _layout.Tempered)
            _key.AddRange([firstRow, rows, BitConverter.SingleToInt32Bits(temperature)]);
        foreach (var unit in _units)
            unit.AddTo(_key);
        return new StepKey([.. _key]);
    }

    /// <summary>Gives a sequence with penalties its row of counts, filled with what it has seen.</summary>
    private void Admit(Sequence sequence)
    {
        if (!sequence.Sampling.HasPenalties || sequence.PenaltySlot >= 0)
            return;
        sequence.PenaltySlot = _penaltySlots.Pop();
        var counts = new int[VocabSize];
        foreach (int token in sequence.Prompt)
            counts[token] |= GuideBatch.PromptFlag;
        foreach (int token in sequence.Generated)
            counts[token]++;
        _guide.PenaltyCounts.Upload(counts, (long)sequence.PenaltySlot * VocabSize);
    }
}
