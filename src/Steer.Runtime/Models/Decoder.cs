using Steer.Kernels;

namespace Steer.Runtime.Models;

/// <summary>Neighbouring rows of a batch that belong to one variant of the model.</summary>
internal readonly record struct VariantRows(DecoderWeights Weights, int RowStart, int RowCount);

/// <summary>
/// The forward pass of every decoder-only transformer that Steer knows, driven by a <see cref="DecoderConfig"/>.
/// One batch holds rows of all variants (base, experts) of this shape: they share each read of a weight that they have in common.
/// </summary>
internal sealed class Decoder : IDisposable
{
    private readonly Device _device;
    private readonly DeviceMemory _memory;
    private readonly DecoderConfig _config;
    private readonly DecoderScratch _scratch;
    private readonly DeviceBuffer<float>[] _inverseFrequencies;
    private readonly DeviceBuffer<float>? _alibiSlopes;
    private readonly MatMulGroup[] _matMulGroups;
    private readonly LoraGroup[] _loraGroups;

    public Decoder(Device device, DecoderConfig config, int maxRows, int maxLogitRows, int maxVariants)
    {
        _device = device;
        _memory = new DeviceMemory(device);
        _config = config;
        _scratch = _memory.Take(() => new DecoderScratch(device, config, maxRows, maxLogitRows));
        _inverseFrequencies = [.. config.Ropes.Select(r => Upload(r.InverseFrequencies))];
        _alibiSlopes = config.AlibiSlopes is { } slopes ? Upload(slopes) : null;
        _matMulGroups = new MatMulGroup[maxVariants];
        _loraGroups = new LoraGroup[maxVariants];
    }

    public DecoderConfig Config => _config;

    /// <summary>Device memory of activations, in bytes.</summary>
    public long ScratchBytes => _scratch.Bytes;

    /// <summary>Hidden states after the final norm [logit rows, hidden size] of the last batch, in the order of its logits.</summary>
    public Tensor LogitHidden => _scratch.LogitHidden;

    /// <summary>Runs a batch: writes keys and values of every row to the cache, and logits of the rows that want them.</summary>
    /// <param name="batch">Tokens, positions, slots, block tables, and the rows whose logits are wanted.</param>
    /// <param name="rows">Which variant each row belongs to; ascending, every row once.</param>
    /// <param name="logitVariants">The same split of the rows whose logits are wanted.</param>
    /// <param name="cache">Keys and values.</param>
    /// <param name="logits">Out [logit rows, vocab].</param>
    public void Forward(
        ForwardBatch batch, ReadOnlySpan<VariantRows> rows, ReadOnlySpan<VariantRows> logitVariants, KvCache cache, Tensor logits)
    {
        Tensor x = _scratch.Hidden.RowSlice(0, batch.Rows);
        Tensor? delta = null; // what the block before adds to x; added together with the next norm

        Embed(batch, rows, x);
        for (int i = 0; i < _inverseFrequencies.Length; i++)
            _device.RopeAngles(batch.Positions, _inverseFrequencies[i], _config.Ropes[i].Scale, Angles(i, batch.Rows));

        for (int layer = 0; layer < _config.NumLayers; layer++)
        {
            Tensor h = AddNorm(rows, layer, static l => l.AttentionNorm, x, delta);
            Tensor attention = Attention(batch, rows, layer, h, cache);
            if (_config.ParallelResidual)
            {
                if (HasNorm(rows, layer, static l => l.MlpNorm))
                    h = AddNorm(rows, layer, static l => l.MlpNorm, x, null);
                delta = Mlp(rows, layer, h);
                _device.Add(x, attention, _config.ResidualScale);
            }
            else
            {
                h = AddNorm(rows, layer, static l => l.MlpNorm, x, attention);
                delta = Mlp(rows, layer, h);
            }
        }

        _device.Add(x, delta!.Value, _config.ResidualScale);
        if (logits.Rows > 0)
            Logits(batch, x, logitVariants, logits);
    }

    public void Dispose() => _memory.Dispose();

    private void Embed(ForwardBatch batch, ReadOnlySpan<VariantRows> rows, Tensor x)
    {
        foreach (var (weights, start, count) in rows)
        {
            Tensor y = x.RowSlice(start, count);
            _device.Embed(batch.TokenIds, start, weights.Embedding.Weight, _config.EmbeddingScale, accumulate: false, y);
            if (weights.PositionEmbedding is { } positions)
                _device.Embed(batch.Positions, start, positions.Weight, scale: 1, accumulate: true, y);
            if (weights.EmbeddingNorm is { } norm)
                _device.Norm(y, norm, y);
        }
    }

    private Tensor Attention(ForwardBatch batch, ReadOnlySpan<VariantRows> rows, int layer, Tensor h, KvCache cache)
    {
        var config = _config.Layers[layer];
        int queries = _config.NumHeads * _config.HeadDim, keys = _config.NumKvHeads * _config.HeadDim;
        Tensor qkv = _scratch.Qkv.RowSlice(0, batch.Rows);
        Tensor q = qkv.ColumnSlice(0, queries), k = qkv.ColumnSlice(queries, keys), v = qkv.ColumnSlice(queries + keys, keys);

        Project(rows, layer, static l => l.Qkv, h, qkv);
        NormInPlace(rows, layer, static l => l.QueryNorm, q);
        NormInPlace(rows, layer, static l => l.KeyNorm, k);
        Tensor? angles = config.Rope >= 0 ? Angles(config.Rope, batch.Rows) : null;
        _device.RopeAndCache(q, k, v, angles, _config.RopeLayout, batch, cache, layer);

        Tensor attended = _scratch.Attended.RowSlice(0, batch.Rows);
        var parameters = new AttentionParams(config.AttentionScale, config.Window, _config.AttentionSoftCap, _alibiSlopes);
        _device.Attention(q, cache, layer, batch, parameters, attended);

        Tensor delta = _scratch.AttentionDelta.RowSlice(0, batch.Rows);
        Project(rows, layer, static l => l.Output, attended, delta);
        NormInPlace(rows, layer, static l => l.PostAttentionNorm, delta);
        return delta;
    }

    private Tensor Mlp(ReadOnlySpan<VariantRows> rows, int layer, Tensor h)
    {
        Tensor delta = _scratch.MlpDelta.RowSlice(0, h.Rows);
        if (_config.Layers[layer].IsMoe)
        {
            foreach (var (weights, start, count) in rows)
                Mixture(weights.Layers[layer], h.RowSlice(start, count), delta.RowSlice(start, count));
        }
        else
        {
            Tensor up = _scratch.Up.RowSlice(0, h.Rows), activated = _scratch.Activated.RowSlice(0, h.Rows);
            Project(rows, layer, static l => l.Up!, h, up);
            _device.Activate(up, _config.Activation, _config.GatedMlp, activated);
            Project(rows, layer, static l => l.Down!, activated, delta);
        }

        NormInPlace(rows, layer, static l => l.PostMlpNorm, delta);
        return delta;
    }

    private void Mixture(LayerWeights weights, Tensor h, Tensor delta)
    {
        int fanOut = _config.ExpertsPerToken;
        Tensor router = _scratch.RouterLogits.RowSlice(0, h.Rows), shares = _scratch.ExpertWeights.RowSlice(0, h.Rows);
        Tensor up = _scratch.ExpertUp.RowSlice(0, h.Rows * fanOut);
        Tensor activated = _scratch.ExpertActivated.RowSlice(0, h.Rows * fanOut);
        Tensor down = _scratch.ExpertDown.RowSlice(0, h.Rows * fanOut);
        var ids = _scratch.ExpertIds!;

        _device.MatMul(h, [new MatMulGroup(0, h.Rows, weights.Router!.Weight, weights.Router.Bias)], router);
        _device.Route(router, _config.NormaliseExpertWeights, ids, shares);
        _device.MatMulExperts(h, weights.ExpertUp, ids, fanOut, up);
        _device.Activate(up, _config.Activation, _config.GatedMlp, activated);
        _device.MatMulExperts(activated, weights.ExpertDown, ids, fanOut: 1, down);
        _device.CombineExperts(down, shares, delta);
    }

    private void Logits(ForwardBatch batch, Tensor x, ReadOnlySpan<VariantRows> variants, Tensor logits)
    {
        Tensor h = _scratch.LogitHidden.RowSlice(0, logits.Rows);
        _device.Gather(x, batch.LogitRows, h);
        foreach (var (weights, start, count) in variants)
        {
            if (weights.FinalNorm is { } norm)
                _device.Norm(h.RowSlice(start, count), norm, h.RowSlice(start, count));
        }

        Project(variants, static w => w.LmHead, h, logits);
        if (_config.LogitScale != 1 || _config.LogitSoftCap > 0)
            _device.ScaleAndCap(logits, _config.LogitScale, _config.LogitSoftCap);
    }

    /// <summary>x += delta where there is one; then norm(x), or x itself in a family that has no norm here.</summary>
    private Tensor AddNorm(ReadOnlySpan<VariantRows> rows, int layer, Func<LayerWeights, NormWeight?> norm, Tensor x, Tensor? delta)
    {
        if (!HasNorm(rows, layer, norm))
        {
            if (delta is { } d)
                _device.Add(x, d, _config.ResidualScale);
            return x;
        }

        Tensor h = _scratch.Normed.RowSlice(0, x.Rows);
        Normalise(rows, layer, norm, x, delta, h);
        return h;
    }

    private void NormInPlace(ReadOnlySpan<VariantRows> rows, int layer, Func<LayerWeights, NormWeight?> norm, Tensor x)
    {
        if (HasNorm(rows, layer, norm))
            Normalise(rows, layer, norm, x, null, x);
    }

    /// <summary>x += delta, y = norm(x); one launch for neighbouring variants that share the norm.</summary>
    private void Normalise(
        ReadOnlySpan<VariantRows> rows, int layer, Func<LayerWeights, NormWeight?> norm, Tensor x, Tensor? delta, Tensor y)
    {
        for (int i = 0; i < rows.Length;)
        {
            var weight = norm(rows[i].Weights.Layers[layer])!;
            int start = rows[i].RowStart, count = 0;
            for (; i < rows.Length && norm(rows[i].Weights.Layers[layer]) == weight; i++)
                count += rows[i].RowCount;

            if (delta is { } d)
                _device.AddNorm(x.RowSlice(start, count), d.RowSlice(start, count), _config.ResidualScale, weight, y.RowSlice(start, count));
            else
                _device.Norm(x.RowSlice(start, count), weight, y.RowSlice(start, count));
        }
    }

    private static bool HasNorm(ReadOnlySpan<VariantRows> rows, int layer, Func<LayerWeights, NormWeight?> norm) =>
        norm(rows[0].Weights.Layers[layer]) is not null;

    private void Project(ReadOnlySpan<VariantRows> rows, int layer, Func<LayerWeights, Linear> projection, Tensor x, Tensor y)
    {
        int groups = 0, adapters = 0;
        foreach (var (weights, start, count) in rows)
            Add(projection(weights.Layers[layer]), start, count, ref groups, ref adapters);
        Multiply(x, groups, adapters, y);
    }

    private void Project(ReadOnlySpan<VariantRows> rows, Func<DecoderWeights, Linear> projection, Tensor x, Tensor y)
    {
        int groups = 0, adapters = 0;
        foreach (var (weights, start, count) in rows)
            Add(projection(weights), start, count, ref groups, ref adapters);
        Multiply(x, groups, adapters, y);
    }

    /// <summary>Appends rows of one variant; those that share a weight with the rows before become one group.</summary>
    private void Add(Linear linear, int start, int count, ref int groups, ref int adapters)
    {
        if (groups > 0 && _matMulGroups[groups - 1] is var last && last.Weight == linear.Weight && last.RowStart + last.RowCount == start)
            _matMulGroups[groups - 1] = last with { RowCount = last.RowCount + count };
        else
            _matMulGroups[groups++] = new MatMulGroup(start, count, linear.Weight, linear.Bias);
        if (linear.Lora is { } lora)
            _loraGroups[adapters++] = new LoraGroup(start, count, lora);
    }

    private void Multiply(Tensor x, int groups, int adapters, Tensor y)
    {
        _device.MatMul(x, _matMulGroups.AsSpan(0, groups), y);
        if (adapters > 0)
            _device.LoraDelta(x, _loraGroups.AsSpan(0, adapters), y);
    }

    private Tensor Angles(int rope, int rows) => _scratch.Angles[rope].RowSlice(0, rows);

    private DeviceBuffer<float> Upload(float[] values)
    {
        var buffer = _memory.Allocate<float>(values.Length);
        buffer.Upload(values);
        return buffer;
    }
}
