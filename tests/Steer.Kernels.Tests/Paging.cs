namespace Steer.Kernels.Tests;

/// <summary>
/// Contexts whose blocks lie scattered over a cache, and the batches that fill and read it: what a scheduler does, in a few lines.
/// </summary>
public sealed class Paging
{
    private const int BlockSize = KvCacheShape.BlockSize;

    private readonly Workspace _work;
    private readonly int[][] _blocks;
    private readonly int _stride;

    /// <param name="work">Owner of the memory.</param>
    /// <param name="lengths">Positions of each context.</param>
    /// <param name="layers">Layers of the cache.</param>
    /// <param name="kvHeads">Key and value heads.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="type">How the cache holds its numbers.</param>
    /// <param name="round">Whether what meets them is rounded.</param>
    public Paging(Workspace work, int[] lengths, int layers, int kvHeads, int headDim, DType type = DType.F32, bool round = false)
    {
        _work = work;
        int[] counts = [.. lengths.Select(n => (n + BlockSize - 1) / BlockSize)];
        // More blocks than are used, in an order that no context finds its own one after the other.
        int total = counts.Sum() + 3;
        var order = new Queue<int>(Enumerable.Range(0, total).OrderBy(b => (b * 7919) % 65537 % 13).ThenByDescending(b => b));
        _blocks = [.. counts.Select(n => Enumerable.Range(0, n).Select(_ => order.Dequeue()).ToArray())];
        _stride = counts.Max() + 1;
        Cache = work.Own(work.Device.CreateKvCache(new KvCacheShape(layers, total, kvHeads, headDim, type, round)));
    }

    public KvCache Cache { get; }

    /// <summary>Rows (context, position), those of a context next to each other and ascending.</summary>
    public ForwardBatch Batch(IReadOnlyList<(int Context, int Position)> rows)
    {
        int[] contexts = [.. rows.Select(r => r.Context).Distinct()];
        // A batch numbers its own contexts from 0, and may have room to spare.
        var batch = _work.Own(new ForwardBatch(_work.Device, rows.Count + 2, contexts.Length + 1, _stride)
        {
            Rows = rows.Count,
            Contexts = contexts.Length,
        });
        batch.Positions.Upload([.. rows.Select(r => r.Position)]);
        batch.SlotMapping.Upload([.. rows.Select(r => (_blocks[r.Context][r.Position / BlockSize] * BlockSize) + (r.Position % BlockSize))]);
        batch.RowContext.Upload([.. rows.Select(r => Array.IndexOf(contexts, r.Context))]);
        batch.ContextStarts.Upload([.. contexts.Select(c => rows.TakeWhile(r => r.Context != c).Count()), rows.Count]);
        for (int i = 0; i < contexts.Length; i++)
            batch.BlockTables.Upload(_blocks[contexts[i]], (long)i * _stride);
        return batch;
    }

    /// <summary>Writes keys and values of every position of every context to a layer, without rotation.</summary>
    public void Fill(IReadOnlyList<(Matrix Keys, Matrix Values)> contexts, int layer)
    {
        int queryColumns = contexts[0].Keys.Columns;
        for (int c = 0; c < contexts.Count; c++)
        {
            int length = contexts[c].Keys.Rows;
            ForwardBatch batch = Batch([.. Enumerable.Range(0, length).Select(p => (c, p))]);
            _work.Device.RopeAndCache(
                _work.Tensor(length, queryColumns), _work.Tensor(contexts[c].Keys), _work.Tensor(contexts[c].Values), null, RopeLayout.Half,
                batch, Cache, layer);
        }
    }
}
