namespace Steer.Kernels.Host;

/// <summary>The processor as a device: packed weights, SIMD kernels and a team of threads.</summary>
public sealed unsafe class HostDevice : Device
{
    private readonly ThreadTeam _team;
    private readonly MatMulKernel _matMul;
    private readonly LoraKernel _lora;
    private readonly AttentionKernel _attention;
    private readonly RowJob<EmbedKernel> _embed;
    private readonly RowJob<NormKernel> _norm;
    private readonly RowJob<AddKernel> _add;
    private readonly RowJob<RopeAnglesKernel> _ropeAngles;
    private readonly RowJob<RopeAndCacheKernel> _ropeAndCache;
    private readonly RowJob<ActivateKernel<Silu>> _silu;
    private readonly RowJob<ActivateKernel<Gelu>> _gelu;
    private readonly RowJob<ActivateKernel<GeluTanh>> _geluTanh;
    private readonly RowJob<ActivateKernel<Relu>> _relu;
    private readonly RowJob<ScaleAndCapKernel> _scaleAndCap;
    private readonly RowJob<GatherKernel> _gather;
    private readonly RowJob<RouteKernel> _route;
    private readonly RowJob<CombineExpertsKernel> _combineExperts;
    private bool _disposed;

    /// <summary>Starts the threads.</summary>
    /// <exception cref="ArgumentException">A number of threads below 0, or an instruction set that is not there.</exception>
    public HostDevice(HostDeviceOptions? options = null)
    {
        options ??= new HostDeviceOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads);
        if (options.InstructionSet != InstructionSet.Auto && !InstructionSets.Supported.Contains(options.InstructionSet))
            throw new ArgumentException($"This processor or system does not have {options.InstructionSet}: take another instruction set, or auto.");
        _team = new ThreadTeam(options.Threads > 0 ? options.Threads : Environment.ProcessorCount);
        var tiles = TileSet.For(options.InstructionSet);
        _matMul = new(_team, tiles);
        _lora = new(_team, tiles);
        _attention = new(_team, AttentionTiles.For(options.InstructionSet));
        _embed = new(_team);
        _norm = new(_team);
        _add = new(_team);
        _ropeAngles = new(_team);
        _ropeAndCache = new(_team);
        _silu = new(_team);
        _gelu = new(_team);
        _geluTanh = new(_team);
        _relu = new(_team);
        _scaleAndCap = new(_team);
        _gather = new(_team);
        _route = new(_team);
        _combineExperts = new(_team);
        Description = $"cpu: {ProcessorName.Read()}, {Threads} {(Threads == 1 ? "thread" : "threads")}, {tiles.Description}";
    }

    /// <summary>The threads that run kernels.</summary>
    internal ThreadTeam Team => _team;

    /// <summary>Threads that run kernels, the caller's included.</summary>
    public int Threads => _team.Threads;

    /// <inheritdoc/>
    public override string Description { get; }

    /// <inheritdoc/>
    public override long MemoryBytes => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <inheritdoc/>
    public override DeviceBuffer<T> Allocate<T>(long length)
    {
        CheckOpen();
        return new HostBuffer<T>(length);
    }

    /// <inheritdoc/>
    public override PackedWeight Pack(IReadOnlyList<WeightMatrix> parts, WeightFormat format)
    {
        CheckOpen();
        Shapes.Pack(parts);
        return PackJob.Pack(_team, parts, format);
    }

    /// <inheritdoc/>
    public override LoraWeight PackLora(int n, int k, IReadOnlyList<LoraSegment> segments)
    {
        CheckOpen();
        Shapes.PackLora(n, k, segments);
        return HostLoraWeight.Pack(_team, n, k, segments);
    }

    /// <inheritdoc/>
    public override KvCache CreateKvCache(KvCacheShape shape)
    {
        CheckOpen();
        return new HostKvCache(shape);
    }

    /// <inheritdoc/>
    public override void Embed(DeviceBuffer<int> ids, int idStart, PackedWeight table, float scale, bool accumulate, Tensor y)
    {
        CheckOpen();
        Shapes.Embed(ids, idStart, table, y);
        var kernel = new EmbedKernel
        {
            Ids = HostMatrix.Pointer(ids) + idStart,
            Table = Own<HostWeight>(table),
            Scale = scale,
            Accumulate = accumulate,
            Y = HostMatrix.Of(y),
        };
        _embed.Launch(kernel, y.Rows, 4L * y.Columns);
    }

    /// <inheritdoc/>
    public override void Norm(Tensor x, NormWeight weight, Tensor y)
    {
        CheckOpen();
        Shapes.Norm(x, weight, y);
        Norm(x, default, 0, weight, y);
    }

    /// <inheritdoc/>
    public override void AddNorm(Tensor x, Tensor delta, float deltaScale, NormWeight weight, Tensor y)
    {
        CheckOpen();
        Shapes.Same(x, nameof(x), delta, nameof(delta));
        Shapes.Norm(x, weight, y);
        Norm(x, HostMatrix.Of(delta), deltaScale, weight, y);
    }

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor delta, float deltaScale)
    {
        CheckOpen();
        Shapes.Same(x, nameof(x), delta, nameof(delta));
        _add.Launch(new AddKernel { X = HostMatrix.Of(x), Delta = HostMatrix.Of(delta), Scale = deltaScale }, x.Rows, x.Columns / 8);
    }

    /// <inheritdoc/>
    public override void MatMul(Tensor x, ReadOnlySpan<MatMulGroup> groups, Tensor y)
    {
        CheckOpen();
        Shapes.MatMul(x, groups, y);
        _matMul.Begin(HostMatrix.Of(x), HostMatrix.Of(y), y.Rows);
        foreach (var group in groups)
        {
            _matMul.Use(Own<HostWeight>(group.Weight), HostMatrix.PointerOrNull(group.Bias));
            for (int row = group.RowStart; row < group.RowStart + group.RowCount; row++)
                _matMul.AddRow(row, row);
        }
        _matMul.Launch();
    }

    /// <inheritdoc/>
    public override void LoraDelta(Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y)
    {
        CheckOpen();
        Shapes.LoraDelta(x, groups, y);
        _lora.Begin(HostMatrix.Of(x), HostMatrix.Of(y));
        foreach (var group in groups)
            _lora.Add(Own<HostLoraWeight>(group.Weight), group.RowStart, group.RowCount);
        _lora.Launch();
    }

    /// <inheritdoc/>
    public override void RopeAngles(DeviceBuffer<int> positions, DeviceBuffer<float> inverseFrequencies, float scale, Tensor angles)
    {
        CheckOpen();
        Shapes.RopeAngles(positions, inverseFrequencies, angles);
        var kernel = new RopeAnglesKernel
        {
            Positions = HostMatrix.Pointer(positions),
            Frequencies = HostMatrix.Pointer(inverseFrequencies),
            Scale = scale,
            Angles = HostMatrix.Of(angles),
        };
        _ropeAngles.Launch(kernel, angles.Rows, 8L * angles.Columns);
    }

    /// <inheritdoc/>
    public override void RopeAndCache(
        Tensor q, Tensor k, Tensor v, Tensor? angles, RopeLayout layout, ForwardBatch batch, KvCache cache, int layer)
    {
        CheckOpen();
        Shapes.RopeAndCache(q, k, v, angles, batch, cache, layer);
        var kernel = new RopeAndCacheKernel
        {
            Q = HostMatrix.Of(q),
            K = HostMatrix.Of(k),
            V = HostMatrix.Of(v),
            Angles = angles is { } rotation ? HostMatrix.Of(rotation) : default,
            Layout = layout,
            Slots = HostMatrix.Pointer(batch.SlotMapping),
            Cache = Own<HostKvCache>(cache),
            Layer = layer,
        };
        // Each number of a key goes to a cache line of its own.
        _ropeAndCache.Launch(kernel, q.Rows, (q.Columns / 8) + (8 * k.Columns));
    }

    /// <inheritdoc/>
    public override void Attention(
        Tensor q, KvCache cache, int layer, ForwardBatch batch, in AttentionParams parameters, Tensor y)
    {
        CheckOpen();
        Shapes.Attention(q, cache, layer, batch, parameters, y);
        _attention.Launch(new AttentionArgs
        {
            Q = HostMatrix.Of(q),
            Y = HostMatrix.Of(y),
            Cache = Own<HostKvCache>(cache),
            Layer = layer,
            HeadsPerKvHead = q.Columns / (cache.Shape.HeadDim * cache.Shape.NumKvHeads),
            Positions = HostMatrix.Pointer(batch.Positions),
            Contexts = HostMatrix.Pointer(batch.RowContext),
            BlockTables = HostMatrix.Pointer(batch.BlockTables),
            BlockTablesLength = batch.BlockTables.Length,
            BlockTableStride = batch.BlockTableStride,
            Scale = parameters.Scale,
            Window = parameters.Window,
            SoftCap = parameters.SoftCap,
            Slopes = HostMatrix.PointerOrNull(parameters.AlibiSlopes),
        });
    }

    /// <inheritdoc/>
    public override void Activate(Tensor x, Activation activation, bool gated, Tensor y)
    {
        CheckOpen();
        Shapes.Activate(x, gated, y);
        switch (activation)
        {
            case Activation.Silu:
                Activate(_silu, x, gated, y);
                break;
            case Activation.Gelu:
                Activate(_gelu, x, gated, y);
                break;
            case Activation.GeluTanh:
                Activate(_geluTanh, x, gated, y);
                break;
            case Activation.Relu:
                Activate(_relu, x, gated, y);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "Unknown activation.");
        }
    }

    /// <inheritdoc/>
    public override void ScaleAndCap(Tensor x, float scale, float cap)
    {
        CheckOpen();
        Shapes.Inside(x, nameof(x));
        _scaleAndCap.Launch(new ScaleAndCapKernel { X = HostMatrix.Of(x), Scale = scale, Cap = cap }, x.Rows, x.Columns / (cap > 0 ? 1 : 8));
    }

    /// <inheritdoc/>
    public override void Gather(Tensor x, DeviceBuffer<int> rows, Tensor y)
    {
        CheckOpen();
        Shapes.Gather(x, rows, y);
        _gather.Launch(
            new GatherKernel { X = HostMatrix.Of(x), Rows = HostMatrix.Pointer(rows), Y = HostMatrix.Of(y) }, y.Rows, y.Columns / 8);
    }

    /// <inheritdoc/>
    public override void Route(Tensor logits, bool normalise, DeviceBuffer<int> expertIds, Tensor weights)
    {
        CheckOpen();
        Shapes.Route(logits, expertIds, weights);
        var kernel = new RouteKernel
        {
            Logits = HostMatrix.Of(logits),
            Normalise = normalise,
            ExpertIds = HostMatrix.Pointer(expertIds),
            Weights = HostMatrix.Of(weights),
        };
        _route.Launch(kernel, logits.Rows, (long)logits.Columns * (weights.Columns + 4));
    }

    /// <inheritdoc/>
    public override void MatMulExperts(
        Tensor x, IReadOnlyList<PackedWeight> experts, DeviceBuffer<int> expertIds, int fanOut, Tensor y)
    {
        CheckOpen();
        Shapes.MatMulExperts(x, experts, expertIds, fanOut, y);
        int* ids = HostMatrix.Pointer(expertIds);
        for (int i = 0; i < y.Rows; i++)
        {
            if ((uint)ids[i] >= (uint)experts.Count)
                throw new ArgumentException($"MatMulExperts: expert {ids[i]} of {experts.Count}.");
        }
        _matMul.Begin(HostMatrix.Of(x), HostMatrix.Of(y), y.Rows);
        for (int expert = 0; expert < experts.Count; expert++)
        {
            _matMul.Use(Own<HostWeight>(experts[expert]), null);
            for (int i = 0; i < y.Rows; i++)
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
        CheckOpen();
        Shapes.CombineExperts(x, weights, y);
        var kernel = new CombineExpertsKernel { X = HostMatrix.Of(x), Weights = HostMatrix.Of(weights), Y = HostMatrix.Of(y) };
        _combineExperts.Launch(kernel, y.Rows, weights.Columns * y.Columns / 8);
    }

    /// <inheritdoc/>
    public override void GuideAndSample(GuideBatch batch)
    {
        CheckOpen();
        GuideAndSampleKernel.Run(_team, batch);
    }

    /// <inheritdoc/>
    public override void Advance(GuideBatch guide, DecodeBatch decode, ReadOnlySpan<ForwardBatch> batches)
    {
        CheckOpen();
        Shapes.Advance(guide, decode, batches);
        AdvanceKernel.Run(guide, decode, batches);
    }

    /// <inheritdoc/>
    public override int QueueDepth => 1;

    /// <inheritdoc/>
    public override int FillingRows => 512;

    /// <inheritdoc/>
    public override Readback<T> AllocateReadback<T>(int length) => new HostReadback<T>(length);

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
        _lora.Dispose();
        _attention.Dispose();
    }

    // The kernels would take working memory again, which nobody gives back, before the team tells that it is gone.
    private void CheckOpen() => ObjectDisposedException.ThrowIf(_disposed, this);

    private void Norm(Tensor x, HostMatrix delta, float deltaScale, NormWeight weight, Tensor y)
    {
        var kernel = new NormKernel
        {
            X = HostMatrix.Of(x),
            Delta = delta,
            DeltaScale = deltaScale,
            Kind = weight.Kind,
            Epsilon = weight.Epsilon,
            GroupSize = weight.GroupSize,
            Weight = HostMatrix.Pointer(weight.Weight),
            Bias = HostMatrix.PointerOrNull(weight.Bias),
            Y = HostMatrix.Of(y),
        };
        _norm.Launch(kernel, x.Rows, x.Columns / 4);
    }

    private static void Activate<TActivation>(RowJob<ActivateKernel<TActivation>> job, Tensor x, bool gated, Tensor y)
        where TActivation : struct, IActivation =>
        job.Launch(new ActivateKernel<TActivation> { X = HostMatrix.Of(x), Gated = gated, Y = HostMatrix.Of(y) }, y.Rows, y.Columns);

    private static T Own<T>(object handle)
        where T : class => handle as T ?? throw new ArgumentException($"The {handle.GetType().Name} was made by another device.");
}
