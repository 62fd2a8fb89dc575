using Steer.Kernels;
using Steer.Runtime.Guidance;
using Steer.Runtime.Models;

namespace Steer.Runtime.Engine;

/// <summary>All models of one shape: a decoder, a paged cache, and the batch that a step's rows are laid into, variant by variant.</summary>
internal sealed class DecoderUnit : IDisposable
{
    private readonly LoadedVariant[] _variants;
    private readonly KvCache _cache;
    private readonly ForwardBatch _batch;
    private readonly int[] _tokens;
    private readonly int[] _positions;
    private readonly int[] _slots;
    private readonly int[] _rowContext;
    private readonly int[] _contextStarts;
    private readonly int[] _logitRows;
    private readonly int[] _blockTables;
    private readonly VariantRows[] _variantRows;
    private readonly VariantRows[] _variantLogits;

    public DecoderUnit(Device device, DecoderConfig config, int numBlocks, StepLimits limits, IEnumerable<LoadedVariant> variants)
    {
        _variants = [.. variants];
        Decoder = new Decoder(device, config, limits.MaxRows, limits.MaxContexts, _variants.Length);
        _cache = device.CreateKvCache(new KvCacheShape(config.NumLayers, numBlocks, config.NumKvHeads, config.HeadDim));
        int maxBlocks = Math.Min(numBlocks, (config.MaxPositions + KvCacheShape.BlockSize - 1) / KvCacheShape.BlockSize);
        _batch = new ForwardBatch(device, limits.MaxRows, limits.MaxContexts, maxBlocks);
        _tokens = new int[limits.MaxRows];
        _positions = new int[limits.MaxRows];
        _slots = new int[limits.MaxRows];
        _rowContext = new int[limits.MaxRows];
        _contextStarts = new int[limits.MaxContexts + 1];
        _logitRows = new int[limits.MaxContexts];
        _blockTables = new int[(long)limits.MaxContexts * maxBlocks];
        _variantRows = new VariantRows[_variants.Length];
        _variantLogits = new VariantRows[_variants.Length];
    }

    public Decoder Decoder { get; }

    /// <summary>Row of the step's logits where those of this unit begin.</summary>
    public int FirstLogitRow { get; private set; }

    /// <summary>Whether a variant's rows go through this unit.</summary>
    public bool Runs(Variant variant) => Array.Exists(_variants, v => v.Variant == variant);

    /// <summary>
    /// Runs the plan's rows of this unit's variants. Logits go to the rows of <paramref name="logits"/> from <paramref name="firstLogitRow"/> on,
    /// and <paramref name="logitRowOf"/> learns where each context's begin. Returns how many.
    /// </summary>
    public int Forward(StepPlan plan, Tensor logits, int firstLogitRow, Dictionary<Context, int> logitRowOf)
    {
        int rows = 0, contexts = 0, logitCount = 0, groups = 0, logitGroups = 0;
        int stride = MaxBlocksOf(plan);
        FirstLogitRow = firstLogitRow;
        foreach (var variant in _variants)
        {
            int firstRow = rows, firstLogit = logitCount;
            foreach (var scheduled in plan.Rows)
            {
                if (scheduled.Context.Variant != variant.Variant)
                    continue;
                Lay(scheduled, contexts, stride, ref rows);
                contexts++;
                if (scheduled.Logits > 0)
                    logitRowOf.Add(scheduled.Context, firstLogitRow + logitCount);
                for (int row = rows - scheduled.Logits; row < rows; row++)
                    _logitRows[logitCount++] = row;
            }

            if (rows > firstRow)
                _variantRows[groups++] = new VariantRows(variant.Weights, firstRow, rows - firstRow);
            if (logitCount > firstLogit)
                _variantLogits[logitGroups++] = new VariantRows(variant.Weights, firstLogit, logitCount - firstLogit);
        }

        if (rows == 0)
            return 0;
        _contextStarts[contexts] = rows;
        Upload(rows, contexts, stride);
        var target = logits.RowSlice(firstLogitRow, logitCount).ColumnSlice(0, Decoder.Config.VocabSize);
        Decoder.Forward(
            _batch, _variantRows.AsSpan(0, groups), _logitRows.AsSpan(0, logitCount), _variantLogits.AsSpan(0, logitGroups), _cache, target);
        return logitCount;
    }

    public void Dispose()
    {
        Decoder.Dispose();
        _cache.Dispose();
        _batch.Dispose();
    }

    private int MaxBlocksOf(StepPlan plan)
    {
        int most = 1;
        foreach (var scheduled in plan.Rows)
        {
            if (Runs(scheduled.Context.Variant))
                most = Math.Max(most, scheduled.Context.Blocks.Count);
        }

        return most;
    }

    private void Lay(ScheduledRows scheduled, int context, int stride, ref int rows)
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
        }
    }

    private void Upload(int rows, int contexts, int stride)
    {
        _batch.Rows = rows;
        _batch.Contexts = contexts;
        _batch.BlockTableStride = stride;
        _batch.TokenIds.Upload(_tokens.AsSpan(0, rows));
        _batch.Positions.Upload(_positions.AsSpan(0, rows));
        _batch.SlotMapping.Upload(_slots.AsSpan(0, rows));
        _batch.RowContext.Upload(_rowContext.AsSpan(0, rows));
        _batch.ContextStarts.Upload(_contextStarts.AsSpan(0, contexts + 1));
        _batch.BlockTables.Upload(_blockTables.AsSpan(0, contexts * stride));
    }
}
