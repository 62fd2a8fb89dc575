using Steer.Kernels;

namespace Steer.Benchmarks;

/// <summary>Rows of an embedding table in bf16.</summary>
public sealed class EmbedWorkload : Workload
{
    private readonly int _rows;
    private readonly int _vocabSize;
    private readonly int _columns;
    private Device? _device;
    private DeviceBuffer<int>? _ids;
    private PackedWeight? _table;
    private Tensor _y;

    /// <param name="rows">Tokens.</param>
    /// <param name="vocabSize">Rows of the table.</param>
    /// <param name="columns">Width of the table.</param>
    public EmbedWorkload(int rows, int vocabSize, int columns)
        : base($"Embed {rows} of {vocabSize} x {columns} bf16")
    {
        (_rows, _vocabSize, _columns) = (rows, vocabSize, columns);
        Bytes = (2.0 + sizeof(float)) * rows * columns;
    }

    /// <inheritdoc/>
    public override void Setup(Device device)
    {
        _device = device;
        _ids = Own(device.Allocate<int>(_rows));
        _ids.Upload([.. Enumerable.Range(0, _rows).Select(i => (int)(i * 7919L % _vocabSize))]);
        _table = Own(device.Pack([new RandomMatrix(_vocabSize, _columns)], DType.BF16));
        _y = Random(device, _rows, _columns);
    }

    /// <inheritdoc/>
    public override void Run() => _device!.Embed(_ids!, 0, _table!, 1, accumulate: false, _y);
}

/// <summary>Rotation of queries and keys, and writing of keys and values to a cache: neighbouring positions of one context, or one position of each.</summary>
public sealed class RopeWorkload : Workload
{
    private readonly int _rows;
    private readonly int _contexts;
    private readonly int _heads;
    private readonly KvCacheShape _shape;
    private int _layer;
    private Device? _device;
    private KvCache? _cache;
    private ForwardBatch? _batch;
    private Tensor _q;
    private Tensor _k;
    private Tensor _angles;

    /// <param name="contexts">Contexts.</param>
    /// <param name="rows">Rows of each context.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="kvHeads">Key and value heads.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="type">How the cache holds its numbers.</param>
    /// <param name="layers">Layers of the cache, one for each run in turn: with enough of them no cache of the processor holds them.</param>
    public RopeWorkload(int contexts, int rows, int heads, int kvHeads, int headDim, DType type = DType.F32, int layers = 1)
        : base(
            $"RopeAndCache {contexts} x {rows} {(rows == 1 ? "row" : "rows")}, {heads}/{kvHeads} heads of {headDim} {type.ToString().ToLowerInvariant()}",
            flops: 3.0 * contexts * rows * (heads + kvHeads) * headDim)
    {
        (_rows, _contexts, _heads) = (rows, contexts, heads);
        int blocks = (rows + KvCacheShape.BlockSize - 1) / KvCacheShape.BlockSize;
        _shape = new KvCacheShape(layers, contexts * blocks, kvHeads, headDim, type);
        Bytes = sizeof(float) * (double)contexts * rows * ((2 * heads) + (5 * kvHeads)) * headDim;
    }

    /// <inheritdoc/>
    public override void Setup(Device device)
    {
        _device = device;
        _cache = Own(device.CreateKvCache(_shape));
        int total = _contexts * _rows, blocks = _shape.NumBlocks / _contexts;
        _batch = Own(new ForwardBatch(device, total, _contexts, blocks) { Rows = total, Contexts = _contexts });
        _batch.SlotMapping.Upload([.. Enumerable.Range(0, total).Select(r => (r / _rows * blocks * KvCacheShape.BlockSize) + (r % _rows))]);
        (_q, _k) = (Random(device, total, _heads * _shape.HeadDim), Random(device, total, _shape.NumKvHeads * _shape.HeadDim));
        _angles = Random(device, total, _shape.HeadDim);
    }

    /// <inheritdoc/>
    public override void Run()
    {
        _layer = (_layer + 1) % _shape.NumLayers;
        _device!.RopeAndCache(_q, _k, _k, _angles, RopeLayout.Half, _batch!, _cache!, _layer);
    }
}

/// <summary>
/// Drawing of tokens with top-p: from several branches with a plausibility mask, or from a single one without. Probabilities fall with a power of the rank, as
/// those of words do.
/// </summary>
public sealed class GuideWorkload : Workload
{
    private const float Exponent = 1.2f;

    // Spreads the ranks over the vocabulary.
    private const long Stride = 40503;

    private readonly int _sequences;
    private readonly int _branches;
    private readonly int _vocabSize;
    private Device? _device;
    private GuideBatch? _batch;

    /// <param name="sequences">Sequences.</param>
    /// <param name="branches">Branches of each.</param>
    /// <param name="vocabSize">Tokens.</param>
    public GuideWorkload(int sequences, int branches, int vocabSize)
        : base($"GuideAndSample {sequences} x {branches} branches, {vocabSize} tokens")
    {
        (_sequences, _branches, _vocabSize) = (sequences, branches, vocabSize);
        Bytes = sizeof(float) * (double)sequences * branches * vocabSize;
    }

    /// <inheritdoc/>
    public override void Setup(Device device)
    {
        _device = device;
        int rows = _sequences * _branches;
        _batch = Own(new GuideBatch(device, _sequences, rows, _vocabSize, 1, 0, 0, [2]) { Sequences = _sequences });
        var logits = new float[_vocabSize];
        for (int r = 0; r < rows; r++)
        {
            new RandomMatrix(rows, _vocabSize).ReadRow(r, logits);
            for (int token = 0; token < _vocabSize; token++)
                logits[token] -= Exponent * MathF.Log(1 + (token * Stride % _vocabSize));
            _batch.Logits.Buffer.Upload(logits, _batch.Logits.Offset + ((long)r * _batch.Logits.Stride));
        }
        float[] weights = [1.5f, -0.3f, -0.2f];
        _batch.Branches.Upload(
            [.. Enumerable.Range(0, rows).Select(r => new GuideBranch { LogitsRow = r, Weight = weights[r % _branches % 3], GroupSize = 1 })]);
        _batch.Rows.Upload([.. Enumerable.Range(0, _sequences).Select(s => new GuideRow
        {
            BranchStart = s * _branches,
            BranchCount = _branches,
            VocabSize = _vocabSize,
            Alpha = _branches > 1 ? 0.1f : 0,
            Floor = -1e4f,
            RepetitionPenalty = 1,
            Temperature = 1,
            TopP = 0.95f,
            TypicalP = 1,
            Seed = (ulong)s,
            ForcedToken = -1,
            PenaltySlot = -1,
        })]);
    }

    /// <inheritdoc/>
    public override void Run() => _device!.GuideAndSample(_batch!);
}
