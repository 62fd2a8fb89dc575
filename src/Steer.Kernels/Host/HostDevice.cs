using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>The processor as a device: packed weights, SIMD kernels and a team of threads.</summary>
public sealed unsafe class HostDevice : Device
{
    private readonly ThreadTeam _team;
    private readonly MatMulKernel _matMul;
    private bool _disposed;

    /// <summary>Starts the threads.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is outside its range.</exception>
    public HostDevice(HostDeviceOptions? options = null)
    {
        options ??= new HostDeviceOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads);
        _team = new ThreadTeam(options.Threads > 0 ? options.Threads : Environment.ProcessorCount);
        VectorBits = options.VectorBits switch
        {
            0 when Vector512.IsHardwareAccelerated => 512,
            0 when Vector256.IsHardwareAccelerated => 256,
            0 => 128,
            128 or 256 or 512 => options.VectorBits,
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.VectorBits, "Vectors have 512, 256 or 128 bits."),
        };
        _matMul = new MatMulKernel(_team, TileSet.For(VectorBits));
        Description = $"cpu: {ProcessorName.Read()}, {_team.Threads} threads, {VectorBits}-bit vectors";
    }

    /// <summary>Threads that run kernels, the caller's included.</summary>
    public int Threads => _team.Threads;

    /// <summary>Bits of a vector.</summary>
    public int VectorBits { get; }

    /// <inheritdoc/>
    public override string Description { get; }

    /// <inheritdoc/>
    public override DeviceBuffer<T> Allocate<T>(long length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new HostBuffer<T>(length);
    }

    /// <inheritdoc/>
    public override PackedWeight Pack(IReadOnlyList<WeightMatrix> parts, DType type) => PackJob.Pack(_team, parts, type);

    /// <inheritdoc/>
    public override LoraWeight PackLora(int n, int k, IReadOnlyList<LoraSegment> segments) => HostLoraWeight.Pack(_team, n, k, segments);

    /// <inheritdoc/>
    public override KvCache CreateKvCache(KvCacheShape shape)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new HostKvCache(shape);
    }

    /// <inheritdoc/>
    public override void Embed(DeviceBuffer<int> ids, int idStart, PackedWeight table, float scale, bool accumulate, Tensor y)
    {
        var to = HostMatrix.Of(y, nameof(y));
        var weight = Weight(table, nameof(table), to.Columns);
        int* id = HostMatrix.Pointer(ids, nameof(ids), (long)idStart + to.Rows) + idStart;
        var values = new float[weight.K];
        for (int row = 0; row < to.Rows; row++)
        {
            if ((uint)id[row] >= (uint)weight.N)
                throw new ArgumentOutOfRangeException(nameof(ids), id[row], $"An id is outside a table of {weight.N} rows.");
            weight.ReadRow(id[row], values);
            for (int i = 0; i < values.Length; i++)
                to.Row(row)[i] = (accumulate ? to.Row(row)[i] : 0) + (scale * values[i]);
        }
    }

    /// <inheritdoc/>
    public override void Norm(Tensor x, NormWeight weight, Tensor y)
    {
        var from = HostMatrix.Of(x, nameof(x));
        var to = SameShape(from, y, nameof(y));
        if (weight.GroupSize < 1 || from.Columns % weight.GroupSize != 0)
            throw new ArgumentException($"{from.Columns} columns are not groups of {weight.GroupSize}.", nameof(weight));
        float* scale = HostMatrix.Pointer(weight.Weight, nameof(weight), from.Columns);
        float* bias = weight.Bias is null ? null : HostMatrix.Pointer(weight.Bias, nameof(weight), from.Columns);
        NormKernel.Run(from, weight, scale, bias, to);
    }

    /// <inheritdoc/>
    public override void AddNorm(Tensor x, Tensor delta, float deltaScale, NormWeight weight, Tensor y)
    {
        Add(x, delta, deltaScale);
        Norm(x, weight, y);
    }

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor delta, float deltaScale)
    {
        var to = HostMatrix.Of(x, nameof(x));
        ElementwiseKernel.Add(to, SameShape(to, delta, nameof(delta)), deltaScale);
    }

    /// <inheritdoc/>
    public override void MatMul(Tensor x, ReadOnlySpan<MatMulGroup> groups, Tensor y)
    {
        var from = HostMatrix.Of(x, nameof(x));
        var to = HostMatrix.Of(y, nameof(y));
        _matMul.Begin(from, to, to.Rows);
        int next = 0;
        foreach (var group in groups)
        {
            var weight = Weight(group.Weight, nameof(groups), from.Columns);
            if (weight.N != to.Columns)
                throw new ArgumentException($"A weight [{weight.N}, {weight.K}] does not fit y [{to.Rows}, {to.Columns}].", nameof(y));
            CheckRows(group.RowStart, group.RowCount, ref next, Math.Min(from.Rows, to.Rows));
            _matMul.Use(weight, group.Bias is null ? null : HostMatrix.Pointer(group.Bias, nameof(groups), weight.N));
            for (int row = group.RowStart; row < next; row++)
                _matMul.AddRow(row, row);
        }
        _matMul.Launch();
    }

    /// <inheritdoc/>
    public override void LoraDelta(Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y)
    {
        var from = HostMatrix.Of(x, nameof(x));
        var to = HostMatrix.Of(y, nameof(y));
        foreach (var group in groups)
        {
            if (group.Weight is not HostLoraWeight weight || weight.K != from.Columns || weight.N != to.Columns
                || group.RowStart < 0 || group.RowStart + group.RowCount > Math.Min(from.Rows, to.Rows))
            {
                throw new ArgumentException("An adapter does not fit the projection.", nameof(groups));
            }
            LoraKernel.Run(from, group.RowStart, group.RowCount, weight, to);
        }
    }

    /// <inheritdoc/>
    public override void RopeAngles(DeviceBuffer<int> positions, DeviceBuffer<float> inverseFrequencies, float scale, Tensor angles)
    {
        var to = HostMatrix.Of(angles, nameof(angles));
        RopeKernel.Angles(
            HostMatrix.Pointer(positions, nameof(positions), to.Rows),
            HostMatrix.Pointer(inverseFrequencies, nameof(inverseFrequencies), to.Columns / 2), scale, to);
    }

    /// <inheritdoc/>
    public override void RopeAndCache(
        Tensor q, Tensor k, Tensor v, Tensor? angles, RopeLayout layout, ForwardBatch batch, KvCache cache, int layer)
    {
        var queries = HostMatrix.Of(q, nameof(q));
        var keys = HostMatrix.Of(k, nameof(k));
        var values = HostMatrix.Of(v, nameof(v));
        if (cache is not HostKvCache host)
            throw new ArgumentException("The cache is another device's.", nameof(cache));
        if (angles is { } a)
        {
            var rotation = HostMatrix.Of(a, nameof(angles));
            RopeKernel.Rotate(queries, rotation, layout, host.Shape.HeadDim);
            RopeKernel.Rotate(keys, rotation, layout, host.Shape.HeadDim);
        }
        RopeKernel.Cache(keys, values, HostMatrix.Pointer(batch.SlotMapping, nameof(batch), keys.Rows), host, layer);
    }

    /// <inheritdoc/>
    public override void Attention(
        Tensor q, KvCache cache, int layer, ForwardBatch batch, in AttentionParams parameters, Tensor y)
    {
        var queries = HostMatrix.Of(q, nameof(q));
        var to = SameShape(queries, y, nameof(y));
        if (cache is not HostKvCache host)
            throw new ArgumentException("The cache is another device's.", nameof(cache));
        float* slopes = parameters.AlibiSlopes is null ? null : HostMatrix.Pointer(parameters.AlibiSlopes, nameof(parameters));
        AttentionKernel.Run(queries, host, layer, batch, parameters, slopes, to);
    }

    /// <inheritdoc/>
    public override void Activate(Tensor x, Activation activation, bool gated, Tensor y)
    {
        var from = HostMatrix.Of(x, nameof(x));
        var to = HostMatrix.Of(y, nameof(y));
        if (from.Rows != to.Rows || from.Columns != (gated ? 2 : 1) * to.Columns)
            throw new ArgumentException($"x [{x.Rows}, {x.Columns}] does not fit y [{y.Rows}, {y.Columns}].", nameof(y));
        ElementwiseKernel.Activate(from, activation, gated, to);
    }

    /// <inheritdoc/>
    public override void ScaleAndCap(Tensor x, float scale, float cap) => ElementwiseKernel.ScaleAndCap(HostMatrix.Of(x, nameof(x)), scale, cap);

    /// <inheritdoc/>
    public override void Gather(Tensor x, DeviceBuffer<int> rows, Tensor y)
    {
        var from = HostMatrix.Of(x, nameof(x));
        var to = HostMatrix.Of(y, nameof(y));
        if (from.Columns != to.Columns)
            throw new ArgumentException($"x [{x.Rows}, {x.Columns}] does not fit y [{y.Rows}, {y.Columns}].", nameof(y));
        int* index = HostMatrix.Pointer(rows, nameof(rows), to.Rows);
        for (int row = 0; row < to.Rows; row++)
        {
            if ((uint)index[row] >= (uint)from.Rows)
                throw new ArgumentOutOfRangeException(nameof(rows), index[row], $"A row is outside a matrix of {from.Rows}.");
            NativeMemory.Copy(from.Row(index[row]), to.Row(row), (nuint)to.Columns * sizeof(float));
        }
    }

    /// <inheritdoc/>
    public override void Route(Tensor logits, bool normalise, DeviceBuffer<int> expertIds, Tensor weights)
    {
        var from = HostMatrix.Of(logits, nameof(logits));
        var to = HostMatrix.Of(weights, nameof(weights));
        if (from.Rows != to.Rows || to.Columns > from.Columns)
            throw new ArgumentException($"Logits [{from.Rows}, {from.Columns}] do not fit weights [{to.Rows}, {to.Columns}].", nameof(weights));
        MixtureKernel.Route(from, normalise, HostMatrix.Pointer(expertIds, nameof(expertIds), (long)to.Rows * to.Columns), to);
    }

    /// <inheritdoc/>
    public override void MatMulExperts(
        Tensor x, IReadOnlyList<PackedWeight> experts, DeviceBuffer<int> expertIds, int fanOut, Tensor y)
    {
        var from = HostMatrix.Of(x, nameof(x));
        var to = HostMatrix.Of(y, nameof(y));
        int* ids = HostMatrix.Pointer(expertIds, nameof(expertIds), to.Rows);
        if (fanOut < 1 || (to.Rows + fanOut - 1) / fanOut > from.Rows)
            throw new ArgumentException($"{from.Rows} rows with {fanOut} experts each do not fit y [{to.Rows}, {to.Columns}].", nameof(fanOut));
        _matMul.Begin(from, to, to.Rows);
        for (int i = 0; i < to.Rows; i++)
        {
            if ((uint)ids[i] >= (uint)experts.Count)
                throw new ArgumentOutOfRangeException(nameof(expertIds), ids[i], $"An id is outside {experts.Count} experts.");
        }
        for (int expert = 0; expert < experts.Count; expert++)
        {
            var weight = Weight(experts[expert], nameof(experts), from.Columns);
            if (weight.N != to.Columns)
                throw new ArgumentException($"An expert [{weight.N}, {weight.K}] does not fit y [{to.Rows}, {to.Columns}].", nameof(experts));
            _matMul.Use(weight, null);
            for (int i = 0; i < to.Rows; i++)
            {
                if (ids[i] == expert)
                    _matMul.AddRow(i / fanOut, i);
            }
        }
        _matMul.Launch();
    }

    /// <inheritdoc/>
    public override void CombineExperts(Tensor x, Tensor weights, Tensor y)
    {
        var from = HostMatrix.Of(x, nameof(x));
        var weight = HostMatrix.Of(weights, nameof(weights));
        var to = HostMatrix.Of(y, nameof(y));
        if (from.Columns != to.Columns || weight.Rows != to.Rows || from.Rows != to.Rows * weight.Columns)
            throw new ArgumentException($"x [{x.Rows}, {x.Columns}] does not fit y [{y.Rows}, {y.Columns}].", nameof(y));
        MixtureKernel.Combine(from, weight, to);
    }

    /// <inheritdoc/>
    public override void GuideAndSample(GuideBatch batch) => GuideAndSampleKernel.Run(_team, batch);

    /// <inheritdoc/>
    public override void Synchronize()
    {
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _disposed = true;
        _team.Dispose();
        _matMul.Dispose();
    }

    private static HostMatrix SameShape(in HostMatrix matrix, Tensor tensor, string name)
    {
        var other = HostMatrix.Of(tensor, name);
        if (other.Rows != matrix.Rows || other.Columns != matrix.Columns)
            throw new ArgumentException($"[{other.Rows}, {other.Columns}] does not fit [{matrix.Rows}, {matrix.Columns}].", name);
        return other;
    }

    // Groups ascend and do not overlap; next is the first row that a group may have, and moves past this one.
    private static void CheckRows(int start, int count, ref int next, int rows)
    {
        if (start < next || count < 0 || count > rows - start)
            throw new ArgumentException($"A group of rows [{start}, +{count}) overlaps another or is outside {rows} rows.", "groups");
        next = start + count;
    }

    private static HostWeight Weight(PackedWeight weight, string name, int k)
    {
        if (weight is not HostWeight host)
            throw new ArgumentException("The weight was packed by another device.", name);
        if (host.K != k)
            throw new ArgumentException($"A weight [{host.N}, {host.K}] does not fit {k} columns.", name);
        return host;
    }
}
