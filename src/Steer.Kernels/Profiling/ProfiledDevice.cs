using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Steer.Kernels.Profiling;

/// <summary>
/// Another device, every kernel of which is timed: the host waits for each, so that what a kernel takes is its own time, and steps are neither
/// recorded nor overlapped. It owns the other device.
/// </summary>
public sealed class ProfiledDevice(Device inner) : Device
{
    // Numbers in an adapter's matrices, which the packed weight no longer tells.
    private readonly ConditionalWeakTable<LoraWeight, StrongBox<long>> _adapterNumbers = [];
    private GuideRow[] _guideRows = [];
    private int[] _contexts = [];
    private int[] _positions = [];
    private int[] _experts = [];

    /// <summary>Where calls are noted; may be exchanged between kernels.</summary>
    public KernelProfile Profile { get; set; } = new();

    /// <inheritdoc/>
    public override string Description => inner.Description;

    /// <inheritdoc/>
    public override long MemoryBytes => inner.MemoryBytes;

    /// <inheritdoc/>
    public override int QueueDepth => inner.QueueDepth;

    /// <inheritdoc/>
    public override int FillingRows => inner.FillingRows;

    /// <inheritdoc/>
    public override DeviceCounters Counters => inner.Counters;

    /// <inheritdoc/>
    public override DeviceBuffer<T> Allocate<T>(long length) => inner.Allocate<T>(length);

    /// <inheritdoc/>
    public override Readback<T> AllocateReadback<T>(int length) => inner.AllocateReadback<T>(length);

    /// <inheritdoc/>
    public override PackedWeight Pack(IReadOnlyList<WeightMatrix> parts, WeightFormat format) => inner.Pack(parts, format);

    /// <inheritdoc/>
    public override LoraWeight PackLora(int n, int k, IReadOnlyList<LoraSegment> segments)
    {
        var weight = inner.PackLora(n, k, segments);
        _adapterNumbers.Add(weight, new(segments.Sum(s => (s.A?.Rows ?? 0) * ((long)k + s.Columns))));
        return weight;
    }

    /// <inheritdoc/>
    public override KvCache CreateKvCache(KvCacheShape shape) => inner.CreateKvCache(shape);

    /// <inheritdoc/>
    public override int BatchBucket(int sequences) => inner.BatchBucket(sequences);

    /// <inheritdoc/>
    public override string? Explain(Exception error) => inner.Explain(error);

    /// <inheritdoc/>
    public override void Synchronize() => inner.Synchronize();

    /// <inheritdoc/>
    public override void Dispose() => inner.Dispose();

    /// <inheritdoc/>
    public override void Embed(DeviceBuffer<int> ids, int idStart, PackedWeight table, float scale, bool accumulate, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Embed(ids, idStart, table, scale, accumulate, y);
        Note(start, nameof(Embed), new(Count(y), y.Rows * table.Type.RowBytes(table.K), Bytes(y)));
    }

    /// <inheritdoc/>
    public override void Norm(Tensor x, NormWeight weight, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Norm(x, weight, y);
        Note(start, nameof(Norm), new(4 * Count(x), 0, Bytes(x) + Bytes(y)));
    }

    /// <inheritdoc/>
    public override void AddNorm(Tensor x, Tensor delta, float deltaScale, NormWeight weight, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.AddNorm(x, delta, deltaScale, weight, y);
        Note(start, nameof(AddNorm), new(6 * Count(x), 0, (2 * Bytes(x)) + Bytes(delta) + Bytes(y)));
    }

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor delta, float deltaScale)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Add(x, delta, deltaScale);
        Note(start, nameof(Add), new(2 * Count(x), 0, (2 * Bytes(x)) + Bytes(delta)));
    }

    /// <inheritdoc/>
    public override void MatMul(Tensor x, ReadOnlySpan<MatMulGroup> groups, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.MatMul(x, groups, y);
        int rows = 0;
        long weights = 0;
        for (int i = 0; i < groups.Length; i++)
        {
            rows += groups[i].RowCount;
            weights += groups[i].Weight.Bytes;
        }

        if (rows > 0)
            Note(start, Product(nameof(MatMul), groups[0].Weight), new(2.0 * rows * x.Columns * y.Columns, weights, Bytes(x) + Bytes(y)));
    }

    /// <inheritdoc/>
    public override void LoraDelta(Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.LoraDelta(x, groups, y);
        double operations = 0, weights = 0, passed = 0;
        foreach (var group in groups)
        {
            operations += _adapterNumbers.TryGetValue(group.Weight, out var numbers) ? 2.0 * group.RowCount * numbers.Value : 0;
            weights += group.Weight.Bytes;
            passed += sizeof(float) * (double)group.RowCount * (x.Columns + (2 * y.Columns));
        }

        Note(start, nameof(LoraDelta), new(operations, weights, passed));
    }

    /// <inheritdoc/>
    public override void RopeAngles(DeviceBuffer<int> positions, DeviceBuffer<float> inverseFrequencies, float scale, Tensor angles)
    {
        long start = Stopwatch.GetTimestamp();
        inner.RopeAngles(positions, inverseFrequencies, scale, angles);
        Note(start, nameof(RopeAngles), new(KernelCost.Exponential * Count(angles), 0, Bytes(angles)));
    }

    /// <inheritdoc/>
    public override void RopeAndCache(
        Tensor q, Tensor k, Tensor v, Tensor? angles, RopeLayout layout, ForwardBatch batch, KvCache cache, int layer)
    {
        long start = Stopwatch.GetTimestamp();
        inner.RopeAndCache(q, k, v, angles, layout, batch, cache, layer);
        double rotated = angles is null ? 0 : Count(q) + Count(k);
        Note(start, nameof(RopeAndCache), new(3 * rotated, q.Rows * PositionBytes(cache.Shape), (2 * sizeof(float) * rotated) + Bytes(k) + Bytes(v)));
    }

    /// <inheritdoc/>
    public override void Attention(Tensor q, KvCache cache, int layer, ForwardBatch batch, in AttentionParams parameters, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Attention(q, cache, layer, batch, parameters, y);
        double seconds = Seconds(start);
        var (seen, read) = Visible(batch, parameters.Window);
        double heads = q.Columns / (double)cache.Shape.HeadDim;
        double operations = seen * ((4.0 * q.Columns) + (KernelCost.Exponential * heads));
        Profile.Add(new(nameof(Attention)), seconds, new(operations, read * PositionBytes(cache.Shape), Bytes(q) + Bytes(y)));
    }

    /// <inheritdoc/>
    public override void Activate(Tensor x, Activation activation, bool gated, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Activate(x, activation, gated, y);
        double each = activation == Activation.Relu ? 1 : KernelCost.Exponential + 3;
        Note(start, nameof(Activate), new(each * Count(y), 0, Bytes(x) + Bytes(y)));
    }

    /// <inheritdoc/>
    public override void ScaleAndCap(Tensor x, float scale, float cap)
    {
        long start = Stopwatch.GetTimestamp();
        inner.ScaleAndCap(x, scale, cap);
        Note(start, nameof(ScaleAndCap), new((cap > 0 ? KernelCost.Exponential : 1) * Count(x), 0, 2 * Bytes(x)));
    }

    /// <inheritdoc/>
    public override void Gather(Tensor x, DeviceBuffer<int> rows, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Gather(x, rows, y);
        Note(start, nameof(Gather), new(0, 0, 2 * Bytes(y)));
    }

    /// <inheritdoc/>
    public override void Route(Tensor logits, bool normalise, DeviceBuffer<int> expertIds, Tensor weights)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Route(logits, normalise, expertIds, weights);
        Note(start, nameof(Route), new(KernelCost.Exponential * Count(logits), 0, Bytes(logits) + (2 * Bytes(weights))));
    }

    /// <inheritdoc/>
    public override void MatMulExperts(Tensor x, IReadOnlyList<PackedWeight> experts, DeviceBuffer<int> expertIds, int fanOut, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.MatMulExperts(x, experts, expertIds, fanOut, y);
        double seconds = Seconds(start);
        var ids = Download(expertIds, y.Rows, ref _experts);
        ids.Sort();
        long weights = 0;
        for (int i = 0; i < ids.Length; i++)
            weights += i == 0 || ids[i] != ids[i - 1] ? experts[ids[i]].Bytes : 0;
        KernelCost cost = new(2.0 * y.Rows * x.Columns * y.Columns, weights, Bytes(x) + Bytes(y));
        Profile.Add(Product(nameof(MatMulExperts), experts[0]), seconds, cost);
    }

    /// <inheritdoc/>
    public override void CombineExperts(Tensor x, Tensor weights, Tensor y)
    {
        long start = Stopwatch.GetTimestamp();
        inner.CombineExperts(x, weights, y);
        Note(start, nameof(CombineExperts), new(2 * Count(x), 0, Bytes(x) + Bytes(y)));
    }

    /// <inheritdoc/>
    public override void GuideAndSample(GuideBatch batch)
    {
        long start = Stopwatch.GetTimestamp();
        inner.GuideAndSample(batch);
        double seconds = Seconds(start), logits = 0;
        foreach (ref readonly var row in Download(batch.Rows, batch.Sequences, ref _guideRows))
            logits += (double)row.BranchCount * row.VocabSize;
        Profile.Add(new(nameof(GuideAndSample)), seconds, new((KernelCost.Exponential + 2) * logits, 0, sizeof(float) * logits));
    }

    /// <inheritdoc/>
    public override void Advance(GuideBatch guide, DecodeBatch decode, ReadOnlySpan<ForwardBatch> batches)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Advance(guide, decode, batches);
        Note(start, nameof(Advance), default);
    }

    private static KernelId Product(string kernel, PackedWeight weight) => new(kernel, weight.N, weight.K, weight.Format);

    private static double Count(Tensor x) => (double)x.Rows * x.Columns;

    private static double Bytes(Tensor x) => sizeof(float) * Count(x);

    // Key and value of one position in one layer.
    private static double PositionBytes(KvCacheShape shape) => (double)shape.BytesPerBlock / KvCacheShape.BlockSize / shape.NumLayers;

    private double Seconds(long start)
    {
        inner.Synchronize();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private void Note(long start, string kernel, KernelCost cost) => Note(start, new KernelId(kernel), cost);

    private void Note(long start, KernelId id, KernelCost cost) => Profile.Add(id, Seconds(start), cost);

    // Positions that all rows see together, and positions of all contexts that any of their rows sees.
    private (double Seen, double Read) Visible(ForwardBatch batch, int window)
    {
        var contexts = Download(batch.RowContext, batch.Rows, ref _contexts);
        var positions = Download(batch.Positions, batch.Rows, ref _positions);
        double seen = 0, read = 0;
        for (int row = 0; row < positions.Length; row++)
        {
            int sees = window > 0 ? Math.Min(window, positions[row] + 1) : positions[row] + 1;
            seen += sees;
            // A context's rows are neighbours and ascend: a row adds to what the rows before it have read what is past them.
            bool first = row == 0 || contexts[row] != contexts[row - 1];
            read += first ? sees : positions[row] - positions[row - 1];
        }

        return (seen, read);
    }

    private static Span<T> Download<T>(DeviceBuffer<T> source, int count, ref T[] memory)
        where T : unmanaged
    {
        if (memory.Length < count)
            memory = new T[source.Length];
        var taken = memory.AsSpan(0, count);
        source.Download(taken);
        return taken;
    }
}
