using Steer.Kernels;

namespace Steer.Benchmarks;

/// <summary>
/// Attention: contexts of one length, the last rows of each in the batch. Their blocks lie in turns, as those of contexts that grow together do.
/// </summary>
public sealed class AttentionWorkload : Workload
{
    private readonly int _heads;
    private readonly int _kvHeads;
    private readonly int _headDim;
    private readonly int _contexts;
    private readonly int _rows;
    private readonly int _length;
    private readonly KvCacheShape _shape;
    private int _layer;
    private Device? _device;
    private KvCache? _cache;
    private ForwardBatch? _batch;
    private Tensor _q;
    private Tensor _y;

    /// <param name="heads">Query heads.</param>
    /// <param name="kvHeads">Key and value heads.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="contexts">Contexts.</param>
    /// <param name="rows">Rows of each context.</param>
    /// <param name="length">Positions of each context.</param>
    /// <param name="type">How the cache holds its numbers.</param>
    /// <param name="layers">Layers of the cache, one for each run in turn: with enough of them no cache of the processor holds them.</param>
    public AttentionWorkload(int heads, int kvHeads, int headDim, int contexts, int rows, int length, DType type = DType.F32, int layers = 1)
        : base($"Attention {heads}/{kvHeads} heads of {headDim}, {contexts} x {rows} {(rows == 1 ? "row" : "rows")}, {length} positions {type.ToString().ToLowerInvariant()}")
    {
        (_heads, _kvHeads, _headDim, _contexts, _rows, _length) = (heads, kvHeads, headDim, contexts, rows, length);
        int blocks = (length + KvCacheShape.BlockSize - 1) / KvCacheShape.BlockSize;
        _shape = new KvCacheShape(layers, contexts * blocks, kvHeads, headDim, type);
        Bytes = _shape.Bytes > LargestCache ? (double)_shape.Bytes / layers : 0;
        double seen = Enumerable.Range(length - rows, rows).Sum(p => p + 1.0);
        Flops = 4 * contexts * seen * heads * headDim;
    }

    /// <inheritdoc/>
    public override void Setup(Device device)
    {
        _device = device;
        _cache = Own(device.CreateKvCache(_shape));
        using var filling = Batch(device, _length);
        var keys = RandomMatrix.Tensor(device, _contexts * _length, _kvHeads * _headDim);
        using var memory = keys.Buffer;
        for (int layer = 0; layer < _shape.NumLayers; layer++)
            device.RopeAndCache(keys, keys, keys, null, RopeLayout.Half, filling, _cache, layer);
        _batch = Own(Batch(device, _rows));
        _q = Random(device, _contexts * _rows, _heads * _headDim);
        _y = Random(device, _contexts * _rows, _heads * _headDim);
    }

    /// <inheritdoc/>
    public override void Run()
    {
        _layer = (_layer + 1) % _shape.NumLayers;
        _device!.Attention(_q, _cache!, _layer, _batch!, new AttentionParams(0.125f, 0, 0, null), _y);
    }

    // The last rows of every context.
    private ForwardBatch Batch(Device device, int rows)
    {
        const int BlockSize = KvCacheShape.BlockSize;
        int total = _contexts * rows, blocks = _shape.NumBlocks / _contexts;
        var batch = new ForwardBatch(device, total, _contexts, blocks) { Rows = total, Contexts = _contexts };
        int[] contexts = [.. Enumerable.Range(0, total).Select(r => r / rows)];
        int[] positions = [.. Enumerable.Range(0, total).Select(r => _length - rows + (r % rows))];
        batch.RowContext.Upload(contexts);
        batch.Positions.Upload(positions);
        batch.SlotMapping.Upload([.. contexts.Zip(positions, (c, p) => (Block(c, p / BlockSize) * BlockSize) + (p % BlockSize))]);
        batch.BlockTables.Upload([.. Enumerable.Range(0, _contexts * blocks).Select(i => Block(i / blocks, i % blocks))]);
        return batch;

        int Block(int context, int index) => (index * _contexts) + context;
    }
}

/// <summary>The residual add with RMSNorm.</summary>
public sealed class NormWorkload(int rows, int columns) : Workload($"AddNorm {rows} x {columns}", flops: 7.0 * rows * columns)
{
    private Device? _device;
    private Tensor _x;
    private Tensor _delta;
    private Tensor _y;
    private NormWeight? _weight;

    /// <inheritdoc/>
    public override void Setup(Device device)
    {
        _device = device;
        (_x, _delta, _y) = (Random(device, rows, columns), Random(device, rows, columns), Random(device, rows, columns));
        _weight = new NormWeight(NormKind.Rms, 1e-5f, columns, Random(device, 1, columns).Buffer, null);
    }

    /// <inheritdoc/>
    public override void Run() => _device!.AddNorm(_x, _delta, 1e-9f, _weight!, _y);
}

/// <summary>The gated activation of a feed-forward block: an exponential, a division and two products are about 28 operations.</summary>
public sealed class ActivationWorkload(int rows, int columns) : Workload($"Silu * up {rows} x {columns}", flops: 28.0 * rows * columns)
{
    private Device? _device;
    private Tensor _x;
    private Tensor _y;

    /// <inheritdoc/>
    public override void Setup(Device device)
    {
        _device = device;
        (_x, _y) = (Random(device, rows, 2 * columns), Random(device, rows, columns));
    }

    /// <inheritdoc/>
    public override void Run() => _device!.Activate(_x, Activation.Silu, gated: true, _y);
}
