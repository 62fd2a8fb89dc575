using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <content>The kernels of the contract: shapes are checked here, the rest is in a file for each kernel.</content>
public sealed partial class IlgpuDevice
{
    /// <inheritdoc/>
    public override void Embed(DeviceBuffer<int> ids, int idStart, PackedWeight table, float scale, bool accumulate, Tensor y)
    {
        Shapes.Embed(ids, idStart, table, y);
        EmbedKernel.Run(this, ids, idStart, table, scale, accumulate, y);
    }

    /// <inheritdoc/>
    public override void Norm(Tensor x, NormWeight weight, Tensor y)
    {
        Shapes.Norm(x, weight, y);
        NormKernel.Run(this, x, null, 0, weight, y);
    }

    /// <inheritdoc/>
    public override void AddNorm(Tensor x, Tensor delta, float deltaScale, NormWeight weight, Tensor y)
    {
        Shapes.Same(x, nameof(x), delta, nameof(delta));
        Shapes.Norm(x, weight, y);
        NormKernel.Run(this, x, delta, deltaScale, weight, y);
    }

    /// <inheritdoc/>
    public override void Add(Tensor x, Tensor delta, float deltaScale)
    {
        Shapes.Same(x, nameof(x), delta, nameof(delta));
        AddKernel.Run(this, x, delta, deltaScale);
    }

    /// <inheritdoc/>
    public override void MatMul(Tensor x, ReadOnlySpan<MatMulGroup> groups, Tensor y)
    {
        Shapes.MatMul(x, groups, y);
        foreach (MatMulGroup group in groups)
        {
            Multiply(
                x.RowSlice(group.RowStart, group.RowCount), (IlgpuWeight)group.Weight, group.Bias, RowFilter.All,
                y.RowSlice(group.RowStart, group.RowCount));
        }
    }

    /// <inheritdoc/>
    public override void LoraDelta(Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y)
    {
        Shapes.LoraDelta(x, groups, y);
        LoraProduct.Run(this, x, groups, y, NumMultiprocessors);
    }

    /// <inheritdoc/>
    public override void RopeAngles(DeviceBuffer<int> positions, DeviceBuffer<float> inverseFrequencies, float scale, Tensor angles)
    {
        Shapes.RopeAngles(positions, inverseFrequencies, angles);
        RopeAnglesKernel.Run(this, positions, inverseFrequencies, scale, angles);
    }

    /// <inheritdoc/>
    public override void RopeAndCache(
        Tensor q, Tensor k, Tensor v, Tensor? angles, RopeLayout layout, ForwardBatch batch, KvCache cache, int layer)
    {
        Shapes.RopeAndCache(q, k, v, angles, batch, cache, layer);
        RopeAndCacheKernel.Run(this, q, k, v, angles, layout, batch, (IlgpuKvCache)cache, layer);
    }

    /// <inheritdoc/>
    public override void Attention(
        Tensor q, KvCache cache, int layer, ForwardBatch batch, in AttentionParams parameters, Tensor y)
    {
        Shapes.Attention(q, cache, layer, batch, parameters, y);
        if (TensorAttention.Supports(this, cache.Shape))
            TensorAttention.Run(this, q, (IlgpuKvCache)cache, layer, batch, parameters, y);
        else
            AttentionKernel.Run(this, q, (IlgpuKvCache)cache, layer, batch, parameters, y);
    }

    /// <inheritdoc/>
    public override void Activate(Tensor x, Activation activation, bool gated, Tensor y)
    {
        Shapes.Activate(x, gated, y);
        ActivateKernel.Run(this, x, activation, gated, y);
    }

    /// <inheritdoc/>
    public override void ScaleAndCap(Tensor x, float scale, float cap)
    {
        Shapes.Inside(x, nameof(x));
        ScaleAndCapKernel.Run(this, x, scale, cap);
    }

    /// <inheritdoc/>
    public override void Gather(Tensor x, DeviceBuffer<int> rows, Tensor y)
    {
        Shapes.Gather(x, rows, y);
        GatherKernel.Run(this, x, rows, y);
    }

    /// <inheritdoc/>
    public override void Route(Tensor logits, bool normalise, DeviceBuffer<int> expertIds, Tensor weights)
    {
        Shapes.Route(logits, expertIds, weights);
        RouteKernel.Run(this, logits, normalise, expertIds, weights);
    }

    /// <inheritdoc/>
    public override void MatMulExperts(
        Tensor x, IReadOnlyList<PackedWeight> experts, DeviceBuffer<int> expertIds, int fanOut, Tensor y)
    {
        Shapes.MatMulExperts(x, experts, expertIds, fanOut, y);
        for (int expert = 0; expert < experts.Count; expert++)
            Multiply(x, (IlgpuWeight)experts[expert], null, RowFilter.Of(expertIds, expert, fanOut), y);
    }

    /// <inheritdoc/>
    public override void CombineExperts(Tensor x, Tensor weights, Tensor y)
    {
        Shapes.CombineExperts(x, weights, y);
        CombineExpertsKernel.Run(this, x, weights, y);
    }

    /// <inheritdoc/>
    public override void GuideAndSample(GuideBatch batch) => GuideAndSampleKernel.Run(this, batch);

    /// <inheritdoc/>
    public override void Advance(GuideBatch guide, DecodeBatch decode, ReadOnlySpan<ForwardBatch> batches)
    {
        Shapes.Advance(guide, decode, batches);
        AdvanceSequencesKernel.Run(this, guide, decode);
        foreach (ForwardBatch batch in batches)
            AdvanceRowsKernel.Run(this, guide, decode, batch);
    }

    // Tensor cores, or a product with activations in float32, which may have been rounded before.
    private void Multiply(Tensor x, IlgpuWeight weight, DeviceBuffer<float>? bias, in RowFilter filter, Tensor y)
    {
        if (weight.Tiled)
        {
            TensorMatMul.Run(this, x, weight, bias, filter, y, NumMultiprocessors);
            return;
        }

        if (weight.RoundsActivations || !MatMulKernel.Reads(x, weight))
            x = RoundActivationsKernel.Run(this, x, weight.RoundsActivations ? weight.Type : DType.F32);
        MatMulKernel.Run(this, x, weight, bias, filter, y);
    }
}
