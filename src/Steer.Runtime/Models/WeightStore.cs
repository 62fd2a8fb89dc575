using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models;

/// <summary>
/// Packs the tensors of variants onto a device and owns what it packed. A tensor that several variants share is packed once:
/// that is how a LoRA expert costs its low-rank delta and no second copy, nor a second read, of the base.
/// </summary>
/// <param name="device">Holds the weights.</param>
/// <param name="format">How it holds a projection, by the type that holds its numbers exactly.</param>
internal sealed class WeightStore(Device device, Func<DType, WeightFormat> format) : IDisposable
{
    private readonly Dictionary<LinearTensors, Linear> _linears = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<NormTensors, NormWeight> _norms = new(ReferenceEqualityComparer.Instance);
    private readonly List<IDisposable> _owned = [];

    /// <summary>Device memory of packed base weights, in bytes.</summary>
    public long WeightBytes { get; private set; }

    /// <summary>Device memory of adapters, in bytes.</summary>
    public long AdapterBytes { get; private set; }

    /// <summary>Packs a checkpoint, or a checkpoint as an adapter changes it.</summary>
    /// <param name="tensors">What to pack; the adapter's own view of them where there is one.</param>
    /// <param name="adapter">Adds low-rank deltas; or null.</param>
    /// <param name="path">Named in errors.</param>
    /// <param name="progress">Called with the share done, 0 to 1.</param>
    public DecoderWeights Load(DecoderTensors tensors, Adapter? adapter, string path, Action<double>? progress = null)
    {
        try
        {
            var layers = new LayerWeights[tensors.Layers.Count];
            for (int i = 0; i < layers.Length; i++)
            {
                layers[i] = LoadLayer(tensors.Layers[i], adapter);
                progress?.Invoke((i + 1.0) / (layers.Length + 1));
            }

            return new DecoderWeights
            {
                Embedding = Pack(tensors.Embedding, null),
                PositionEmbedding = tensors.PositionEmbedding is { } positions ? Pack(positions, null) : null,
                EmbeddingNorm = Upload(tensors.EmbeddingNorm),
                Layers = layers,
                FinalNorm = Upload(tensors.FinalNorm),
                LmHead = Pack(tensors.LmHead, adapter),
            };
        }
        catch (InvalidDataException e)
        {
            throw new SteerException($"{path}: {e.Message} Check that the file is complete, or take another checkpoint.", e);
        }
        catch (OutOfMemoryException e)
        {
            throw new SteerException($"{path}: not enough memory for its weights. Free some, or load fewer variants.", e);
        }
    }

    public void Dispose()
    {
        for (int i = _owned.Count - 1; i >= 0; i--)
            _owned[i].Dispose();
        _owned.Clear();
    }

    private LayerWeights LoadLayer(LayerTensors t, Adapter? adapter) => new()
    {
        AttentionNorm = Upload(t.AttentionNorm),
        Qkv = Pack(t.Qkv, adapter),
        QueryNorm = Upload(t.QueryNorm),
        KeyNorm = Upload(t.KeyNorm),
        Output = Pack(t.Output, adapter),
        PostAttentionNorm = Upload(t.PostAttentionNorm),
        MlpNorm = Upload(t.MlpNorm),
        Up = t.Up is { } up ? Pack(up, adapter) : null,
        Down = t.Down is { } down ? Pack(down, adapter) : null,
        PostMlpNorm = Upload(t.PostMlpNorm),
        Router = t.Router is { } router ? Pack(router, null) : null,
        ExpertUp = [.. t.ExpertUp.Select(e => Pack(e, null).Weight)],
        ExpertDown = [.. t.ExpertDown.Select(e => Pack(e, null).Weight)],
    };

    private Linear Pack(LinearTensors tensors, Adapter? adapter)
    {
        if (!_linears.TryGetValue(tensors, out var linear))
        {
            var weight = Own(device.Pack([.. tensors.Parts.Select(p => p.Weight)], format(tensors.DefaultType)));
            WeightBytes += weight.Bytes;
            linear = new Linear(weight, UploadBias(tensors), null);
            _linears.Add(tensors, linear);
        }

        if (adapter?.SegmentsFor(tensors) is not { } segments)
            return linear;
        var lora = Own(device.PackLora(linear.Weight.N, linear.Weight.K, segments));
        AdapterBytes += lora.Bytes;
        return linear with { Lora = lora };
    }

    private DeviceBuffer<float>? UploadBias(LinearTensors tensors)
    {
        if (tensors.Parts.All(p => p.Bias is null))
            return null;
        var bias = Own(device.Allocate<float>(tensors.Rows));
        int row = 0;
        foreach (var part in tensors.Parts)
        {
            bias.Upload(part.Bias ?? new float[part.Weight.Rows], row);
            row += part.Weight.Rows;
        }

        return bias;
    }

    private NormWeight? Upload(NormTensors? tensors)
    {
        if (tensors is null)
            return null;
        if (_norms.TryGetValue(tensors, out var norm))
            return norm;
        norm = new NormWeight(tensors.Kind, tensors.Epsilon, tensors.GroupSize, Upload(tensors.Weight), tensors.Bias is { } b ? Upload(b) : null);
        _norms.Add(tensors, norm);
        return norm;
    }

    private DeviceBuffer<float> Upload(float[] values)
    {
        var buffer = Own(device.Allocate<float>(values.Length));
        buffer.Upload(values);
        return buffer;
    }

    private T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Add(owned);
        return owned;
    }
}
