using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Builds a decoder's tensors from a checkpoint by a family's plan.</summary>
internal sealed class TensorMapper
{
    private readonly DecoderConfig _config;
    private readonly TensorPlan _plan;
    private readonly TensorReader _reader;

    private TensorMapper(ModelPlan model, TensorReader reader)
    {
        _config = model.Config;
        _plan = model.Tensors;
        _reader = reader;
    }

    /// <summary>Maps a checkpoint, or one some of whose tensors are replaced by an adapter's.</summary>
    /// <returns>The tensors, and those stored ones that they are made of by their full names.</returns>
    /// <exception cref="SteerException">A tensor is missing, left over, or of another shape.</exception>
    public static (DecoderTensors Tensors, IReadOnlyDictionary<string, StoredTensor> Stored) Map(
        TensorCatalog catalog, ModelPlan model, TensorOverlay? overlay = null)
    {
        var reader = new TensorReader(catalog, model.Tensors, overlay);
        DecoderTensors tensors = new TensorMapper(model, reader).MapDecoder();
        reader.RefuseLeftOver(model.Config.Architecture);
        return (tensors, reader.Taken);
    }

    private DecoderTensors MapDecoder()
    {
        TensorNames names = _plan.Names;
        LinearTensors embedding = _reader.Linear(new StoredLinear(names.Prefix + names.Embedding, _config.VocabSize, _config.HiddenSize));
        var layers = new List<LayerTensors>();
        for (int i = 0; i < _config.NumLayers; i++)
            layers.Add(MapLayer(_config.Layers[i], $"{names.Prefix}{names.Layers}.{i}."));
        return new DecoderTensors
        {
            Embedding = embedding,
            PositionEmbedding = names.PositionEmbedding is null ? null : _reader.Linear(
                new StoredLinear(names.Prefix + names.PositionEmbedding, _config.MaxPositions, _config.HiddenSize, FirstRow: _plan.PositionOffset)),
            EmbeddingNorm = Norm(names.Prefix, names.EmbeddingNorm),
            Layers = layers,
            FinalNorm = Norm(names.Prefix, names.FinalNorm),
            LmHead = MapHead(embedding),
        };
    }

    private LinearTensors MapHead(LinearTensors embedding)
    {
        string name = _plan.Names.Head;
        if (!_plan.TiedHead || _reader.IsReplaced($"{name}.weight"))
            return _reader.Linear(new StoredLinear(name, _config.VocabSize, _config.HiddenSize, _plan.HeadBias));
        // A tied head may be stored once more; it is the embedding all the same.
        _reader.Ignore($"{name}.weight");
        LinearTensors tied = _reader.Unchanged(embedding);
        return _plan.HeadBias
            ? new LinearTensors([new LinearPart(name, tied.Parts[0].Weight, _reader.Numbers($"{name}.bias", _config.VocabSize))])
            : tied;
    }

    private LayerTensors MapLayer(LayerConfig layer, string prefix)
    {
        TensorNames names = _plan.Names;
        int queryRows = _config.NumHeads * _config.HeadDim;
        var tensors = new LayerTensors
        {
            AttentionNorm = Norm(prefix, names.AttentionNorm),
            Qkv = MapQkv(prefix),
            QueryNorm = QkNorm(prefix, names.QueryNorm, _config.NumHeads),
            KeyNorm = QkNorm(prefix, names.KeyNorm, _config.NumKvHeads),
            Output = _reader.Linear(new StoredLinear(prefix + names.Output, _config.HiddenSize, queryRows, _plan.OutputBias, _plan.Transposed)),
            PostAttentionNorm = Norm(prefix, names.PostAttentionNorm),
            MlpNorm = Norm(prefix, names.MlpNorm),
            PostMlpNorm = Norm(prefix, names.PostMlpNorm),
        };
        if (layer.IsMoe)
            return MapExperts(tensors, prefix);

        int width = _config.DenseIntermediateSize;
        return tensors with
        {
            Up = MapUp(prefix, names.Up, width, _plan.MlpBias),
            Down = _reader.Linear(new StoredLinear(prefix + names.Down, _config.HiddenSize, width, _plan.MlpBias, _plan.Transposed)),
        };
    }

    private LayerTensors MapExperts(LayerTensors tensors, string prefix)
    {
        TensorNames names = _plan.Names;
        var up = new List<LinearTensors>();
        var down = new List<LinearTensors>();
        for (int e = 0; e < _config.NumExperts; e++)
        {
            string expert = $"{prefix}{names.Experts}.{e}.";
            up.Add(MapUp(expert, names.ExpertUp, _config.IntermediateSize, bias: false));
            down.Add(_reader.Linear(new StoredLinear(expert + names.ExpertDown, _config.HiddenSize, _config.IntermediateSize)));
        }

        return tensors with
        {
            Router = _reader.Linear(new StoredLinear(prefix + names.Router, _config.NumExperts, _config.HiddenSize)),
            ExpertUp = up,
            ExpertDown = down,
        };
    }

    private LinearTensors MapQkv(string prefix)
    {
        string[] names = _plan.Names.Qkv;
        int queryRows = _config.NumHeads * _config.HeadDim;
        int keyRows = _config.NumKvHeads * _config.HeadDim;
        if (names.Length == 1)
        {
            return _reader.Linear(new StoredLinear(prefix + names[0], queryRows + 2 * keyRows, _config.HiddenSize, _plan.QkvBias, _plan.Transposed,
                RowMap: _plan.QkvOrder == QkvOrder.ByKvHead ? StackedFromByKvHead() : null));
        }

        return _reader.Linear(
            new StoredLinear(prefix + names[0], queryRows, _config.HiddenSize, _plan.QkvBias),
            new StoredLinear(prefix + names[1], keyRows, _config.HiddenSize, _plan.QkvBias),
            new StoredLinear(prefix + names[2], keyRows, _config.HiddenSize, _plan.QkvBias));
    }

    private LinearTensors MapUp(string prefix, string[] names, int width, bool bias)
    {
        if (names.Length == 1)
        {
            return _reader.Linear(new StoredLinear(
                prefix + names[0], _config.GatedMlp ? 2 * width : width, _config.HiddenSize, bias, _plan.Transposed));
        }

        return _reader.Linear(
            new StoredLinear(prefix + names[0], width, _config.HiddenSize, bias),
            new StoredLinear(prefix + names[1], width, _config.HiddenSize, bias));
    }

    // Stored: for each key head its queries, the key, the value. Wanted: all queries, all keys, all values.
    private Func<int[]> StackedFromByKvHead() => () =>
    {
        int headDim = _config.HeadDim;
        int queriesPerKey = _config.NumHeads / _config.NumKvHeads;
        IEnumerable<int> queries = Enumerable.Range(0, _config.NumHeads)
            .Select(h => h / queriesPerKey * (queriesPerKey + 2) + h % queriesPerKey);
        IEnumerable<int> keys = Enumerable.Range(0, _config.NumKvHeads).Select(h => h * (queriesPerKey + 2) + queriesPerKey);
        IEnumerable<int> values = keys.Select(slot => slot + 1);
        return [.. queries.Concat(keys).Concat(values).SelectMany(slot => Enumerable.Range(slot * headDim, headDim))];
    };

    private NormTensors? Norm(string prefix, string? name)
    {
        if (name is null)
            return null;
        int size = _config.HiddenSize;
        return new NormTensors(_plan.NormKind, _plan.NormEpsilon, size, Weight($"{prefix}{name}.weight", size),
            _plan.NormBias ? _reader.Numbers($"{prefix}{name}.bias", size) : null);
    }

    private NormTensors? QkNorm(string prefix, string? name, int heads)
    {
        if (name is null)
            return null;
        int headDim = _config.HeadDim;
        float[]? bias = _plan.QkNormBias ? Repeat(_reader.Numbers($"{prefix}{name}.bias", headDim), heads) : null;
        float[] weight = _plan.QkNorm switch
        {
            QkNormKind.SharedByHeads => Repeat(Weight($"{prefix}{name}.weight", headDim), heads),
            QkNormKind.OfEachHead => Weight($"{prefix}{name}.weight", heads, headDim),
            QkNormKind.NumberedHeads =>
                [.. Enumerable.Range(0, heads).SelectMany(h => Weight($"{prefix}{name}.{h}.weight", headDim))],
            _ => Weight($"{prefix}{name}.weight", heads * headDim),
        };
        int groupSize = _plan.QkNorm == QkNormKind.WholeRow ? weight.Length : headDim;
        return new NormTensors(_plan.NormKind, _plan.NormEpsilon, groupSize, weight, bias);
    }

    private float[] Weight(string name, params ReadOnlySpan<long> shape)
    {
        float[] weight = _reader.Numbers(name, shape);
        for (int i = 0; i < weight.Length; i++)
            weight[i] += _plan.NormOffset;
        return weight;
    }

    private static float[] Repeat(float[] numbers, int times) => [.. Enumerable.Repeat(numbers, times).SelectMany(n => n)];
}
