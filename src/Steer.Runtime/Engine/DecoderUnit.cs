using System.Numerics;
using Steer.Kernels;
using Steer.Runtime.Guidance;
using Steer.Runtime.Models;

namespace Steer.Runtime.Engine;

/// <summary>All models of one shape: a decoder, a paged cache, and the batch that a step's rows are laid into, variant by variant.</summary>
internal sealed class DecoderUnit : IDisposable
{
    private readonly Device _device;
    private readonly DeviceMemory _memory;
    private readonly LoadedVariant[] _variants;
    private readonly int _maxBlocks;
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _slots;
    private readonly int[] _rowContext;
    private readonly int[] _rowSequence;
    private readonly int[] _contextStarts;
    private readonly int[] _logitRows;
    private readonly int[] _blockTables;
    private readonly VariantRows[] _variantRows;
    private readonly VariantRows[] _variantLogits;
    private KvCache? _cache;
    private int _groups;
    private int _logitGroups;
    private int _logits;

    public DecoderUnit(Device device, DecoderConfig config, int numBlocks, StepLimits limits, IEnumerable<LoadedVariant> variants)
    {
        _device = device;
        _memory = new DeviceMemory(device);
        _variants = [.. variants];
        Decoder = _memory.Take(() => new Decoder(device, config, limits.MaxRows, limits.MaxContexts, _variants.Length));
        _maxBlocks = Math.Min(numBlocks, (config.MaxPositions + KvCacheShape.BlockSize - 1) / KvCacheShape.BlockSize);
        Batch = _memory.Take(() => new ForwardBatch(device, limits.MaxRows, limits.MaxContexts, _maxBlocks));
        _tokens = new int[limits.MaxRows];
        _positions = new int[limits.MaxRows];
        _slots = new int[limits.MaxRows];
        _rowContext = new int[limits.MaxRows];
        _rowSequence = new int[limits.MaxRows];
        _contextStarts = new int[limits.MaxContexts + 1];
        _logitRows = new int[limits.MaxContexts];
        _blockTables = new int[(long)limits.MaxContexts * _maxBlocks];
        _variantRows = new VariantRows[_variants.Length];
        _variantLogits = new VariantRows[_variants.Length];
    }

    public Decoder Decoder { get; }

    /// <summary>Row of the step's logits where those of this unit begin.</summary>
    public int FirstLogitRow { get; private set; }

    /// <summary>The rows laid last.</summary>
    public ForwardBatch Batch { get; }

    /// <summary>Whether a variant's rows go through this unit.</summary>
    public bool Runs(Variant variant)
    {
        foreach (var own in _variants)
        {
            if (own.Variant == variant)
                return true;
        }

        return false;
    }

    /// <summary>Makes the cache.</summary>
    /// <exception cref="OutOfMemoryException">The device has no room for it; it can be asked for less.</exception>
    public void CreateCache(KvCacheShape shape) => _cache = _device.CreateKvCache(shape);

    /// <summary>Gives the cache back.</summary>
    public void DropCache()
    {
        _cache?.Dispose();
        _cache = null;
    }

    /// <summary>
    /// Lays the plan's rows of this unit's variants into the batch, those of its last draw <paramref name="padding"/> times more. Their logits
    /// go to rows from <paramref name="firstLogit"/> on, and <paramref name="logitRowOf"/> learns where each context's begin. Returns how many.
    /// </summary>
    public int Lay(StepPlan plan, int padding, int firstLogit, Dictionary<Context, int> logitRowOf)
    {
        int rows = 0, contexts = 0, stride = Stride(plan);
        FirstLogitRow = firstLogit;
        _groups = _logitGroups = _logits = 0;
        foreach (var variant in _variants)
        {
            int firstRow = rows, firstOfVariant = _logits;
            foreach (var scheduled in plan.Rows)
            {
                if (scheduled.Context.Variant != variant.Variant)
                    continue;
                if (scheduled.Logits > 0)
                    logitRowOf.Add(scheduled.Context, firstLogit + _logits);
                Lay(scheduled, scheduled.Draw, contexts++, stride, ref rows);
            }

            for (int copy = 0; copy < padding; copy++)
            {
                foreach (var scheduled in plan.Rows)
                {
                    if (scheduled.Context.Variant == variant.Variant && scheduled.Draw == plan.Draws.Count - 1)
                        Lay(scheduled, plan.Draws.Count + copy, contexts++, stride, ref rows);
                }
            }

            if (rows > firstRow)
                _variantRows[_groups++] = new VariantRows(variant.Weights, firstRow, rows - firstRow);
            if (_logits > firstOfVariant)
                _variantLogits[_logitGroups++] = new VariantRows(variant.Weights, firstOfVariant, _logits - firstOfVariant);
        }

        _contextStarts[contexts] = rows;
        Upload(rows, contexts, stride);
        return _logits;
    }

    /// <summary>Runs the batch.</summary>
    /// <param name="logits">Logits of all units.</param>
    public void Forward(Tensor logits)
    {
        if (Batch.Rows == 0)
            return;
        var target = logits.RowSlice(FirstLogitRow, _logits).ColumnSlice(0, Decoder.Config.VocabSize);
        Decoder.Forward(Batch, _variantRows.AsSpan(0, _groups), _variantLogits.AsSpan(0, _logitGroups), _cache!, target);
    }

    /// <summary>Appends every number that makes the launches of this batch others than those of another, see <see cref="StepKey"/>.</summary>
    public void AddTo(List<int> key)
    {
        key.AddRange([Batch.Rows, Batch.Contexts, Batch.BlockTableStride, FirstLogitRow, _logits, _groups, _logitGroups]);
        foreach (var (weights, start, count) in _variantRows.AsSpan(0, _groups))
            key.AddRange([Array.FindIndex(_variants, v => v.Weights == weights), start, count]);
        foreach (var (weights, start, count) in _variantLogits.AsSpan(0, _logitGroups))
            key.AddRange([Array.FindIndex(_variants, v => v.Weights == weights), start, count]);
    }

    public void Dispose()
    {
        DropCache();
        _memory.Dispose();
    }

    /// <summary>Room for the most blocks of a context; a power of 2, so that it seldom changes from one step to the next.</summary>
    private int Stride(StepPlan plan)
    {
        int most = 1;
        foreach (var scheduled in plan.Rows)
        {
            if (Runs(scheduled.Context.Variant))
                most = Math.Max(most, scheduled.Context.Blocks.Count);
        }

        return Math.Min(_maxBlocks, (int)BitOperations.RoundUpToPowerOf2((uint)most));
    }

    private void Lay(ScheduledRows scheduled, int sequence, int context, int stride, ref int rows)
    {
        var blocks = scheduled.Context.Blocks;
        _contextStarts[context] = rows;
        for (int i = 0; i < blocks.Count; i++)
            _blockTables[context * stride + i] = blocks[i].Id;
        for (int position = scheduled.Start; position < scheduled.Start + scheduled.Count; position++, rows++)
        {
            _tokens[rows] = scheduled.Context.Token(position);
            _positions[rows] = position;
            _slots[rows] = blocks[position / KvCacheShape.BlockSize].Id * KvCacheShape.BlockSize + position % KvCacheShape.BlockSize;
            _rowContext[rows] = context;
            _rowSequence[rows] = sequence;
        }

        for (int row = rows - scheduled.Logits; row < rows; row++)
            _logitRows[_logits++] = row;
    }

    private void Upload(int rows, int contexts, int stride)
    {
        Batch.Rows = rows;
        Batch.Contexts = contexts;
        Batch.BlockTableStride = stride;
        Batch.TokenIds.Upload(_tokens.AsSpan(0, rows));
        Batch.Positions.Upload(_positions.AsSpan(0, rows));
        Batch.SlotMapping.Upload(_slots.AsSpan(0, rows));
        Batch.RowContext.Upload(_rowContext.AsSpan(0, rows));
        Batch.RowSequence.Upload(_rowSequence.AsSpan(0, rows));
        Batch.ContextStarts.Upload(_contextStarts.AsSpan(0, contexts + 1));
        Batch.LogitRows.Upload(_logitRows.AsSpan(0, _logits));
        Batch.BlockTables.Upload(_blockTables.AsSpan(0, contexts * stride));
    }
}
