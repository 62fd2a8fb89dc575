namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// <see cref="Device.Attention"/> on tensor cores, for heads of a multiple of 16 columns, with the bits of float32 (<see cref="TwoPartProduct"/>). A
/// context is read in units of 64 positions, each with a softmax of its own (maximum, sum of weights, sums of values) that is folded into that of its
/// chunk of 256, and that into the whole's, all in order of position: a row's bits are the same from <see cref="AttentionTileKernel"/>, for the rows
/// of a prompt, and <see cref="AttentionStreamKernel"/>, for contexts with a single row.
/// </summary>
internal static partial class TensorAttention
{
    /// <summary>Positions of a unit.</summary>
    public const int UnitSize = 64;

    /// <summary>Units of a chunk.</summary>
    public const int UnitsPerChunk = 4;

    /// <summary>Positions of a chunk.</summary>
    public const int ChunkSize = UnitSize * UnitsPerChunk;

    /// <summary>Columns of a head whose values a warp reads together.</summary>
    public const int BlockColumns = 64;

    /// <summary>A window in place of none: more than any distance, and not more than one below zero as a whole number without sign.</summary>
    private const uint NoWindow = 1u << 31;

    /// <summary>Numbers that parts of contexts may take: beyond, each group goes through its whole context.</summary>
    private const long MostParts = 64 << 20;

    /// <summary>Whether there is a kernel for these heads on this device.</summary>
    public static bool Supports(IlgpuDevice device, KvCacheShape shape) =>
        device.HasTensorCores && shape.HeadDim % 16 == 0 && AttentionTileKernel.Fits(shape) && AttentionStreamKernel.Fits(shape);

    public static void Run(
        IlgpuDevice device, Tensor q, IlgpuKvCache cache, int layer, ForwardBatch batch, AttentionParams attention, Tensor y)
    {
        int headDim = cache.Shape.HeadDim, heads = q.Columns / headDim;
        bool copied = !new TensorView(q).IsAligned;
        if (copied)
            q = RoundActivationsKernel.Run(device, q, DType.F32);
        var parameters = new Parameters
        {
            Q = new TensorView(q),
            Y = new TensorView(y),
            Keys = cache.Keys(layer),
            Values = cache.Values(layer),
            Positions = IlgpuDevice.View(batch.Positions),
            RowContext = IlgpuDevice.View(batch.RowContext),
            BlockTables = IlgpuDevice.View(batch.BlockTables),
            AlibiSlopes = IlgpuDevice.ViewOrEmpty(attention.AlibiSlopes),
            BlockTableStride = batch.BlockTableStride,
            HeadDim = headDim,
            NumHeads = heads,
            HeadsPerKvHead = heads / cache.Shape.NumKvHeads,
            Scale = attention.Scale,
            SoftCap = attention.SoftCap,
            Window = attention.Window > 0 ? (uint)attention.Window : NoWindow,
            HasAlibi = attention.AlibiSlopes is null ? 0 : 1,
        };
        // Chunks that a single row sees.
        int chunks = ((batch.BlockTableStride * KvCacheShape.BlockSize) + ChunkSize - 1) / ChunkSize;
        if (attention.Window > 0)
            chunks = Math.Min(chunks, ((attention.Window + ChunkSize - 2) / ChunkSize) + 1);
        // A row that is alone in its context is streamed, the others are made in tiles; the host knows from the counts alone which there may be.
        bool streams = batch.Contexts > 1 || q.Rows == 1;
        streams &= chunks == 1 || (long)chunks * q.Rows * heads * (headDim + 2) <= MostParts;
        bool tiles = !streams || batch.Contexts < q.Rows;
        parameters.Mixed = streams && tiles ? 1 : 0;
        if (tiles)
            AttentionTileKernel.Run(device, cache.Shape, parameters);
        if (!streams)
            return;
        // A decode step's rows are packed for the product that follows; a prompt's are so many that a launch more does not count. A copy of q lies
        // where they would go.
        if (!tiles && !copied && headDim % BlockQuantizer.BlockSize == 0)
            device.Defer(y, packed => AttentionStreamKernel.Run(device, cache.Shape, chunks, parameters, packed));
        else
            AttentionStreamKernel.Run(device, cache.Shape, chunks, parameters, default);
    }
}
