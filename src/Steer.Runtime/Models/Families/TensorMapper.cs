using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Builds a decoder's tensors from a checkpoint by a family's plan.</summary>
internal sealed class TensorMapper
{
    private readonly DecoderConfig config;
    private readonly TensorPlan plan;
    private readonly TensorReader reader;

    private TensorMapper(ModelPlan model, TensorReader reader)
    {
        config = model.Config;
        plan = model.Tensors;
        this.reader = reader;
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
        TensorNames names = plan.Names;
        LinearTensors embedding = reader.Linear(new StoredLinear(names.Prefix + names.Embedding, config.VocabSize, config.HiddenSize));
        var layers = new List<LayerTensors>();
        for (int i = 0; i < config.NumLayers; i++)
            layers.Add(MapLayer(config.Layers[i], $"{names.Prefix}{names.Layers}.{i}."));
        return new DecoderTensors
        {
            Embedding = embedding,
            PositionEmbedding = names.PositionEmbedding is null ? null : reader.Linear(
                new StoredLinear(names.Prefix + names.PositionEmbedding, config.MaxPositions, config.HiddenSize, FirstRow: plan.PositionOffset)),
            EmbeddingNorm = Norm(names.Prefix, names.EmbeddingNorm),
            Layers = layers,
            FinalNorm = Norm(names.Prefix, names.FinalNorm),
            LmHead = MapHead(embedding),
        };
    }

    private LinearTensors MapHead(LinearTensors embedding)
    {
        string name = plan.Names.Head;
        if (!plan.TiedHead || reader.IsReplaced($"{name}.weight"))
            return reader.Linear(new StoredLinear(name, config.VocabSize, config.HiddenSize, plan.HeadBias));
        // A tied head may be stored once more; it is the embedding all the same.
        reader.Ignore($"{name}.weight");
        LinearTensors tied = reader.Unchanged(embedding);
        return plan.HeadBias
            ? new LinearTensors([new LinearPart(name, tied.Parts[0].Weight, reader.Numbers($"{name}.bias", config.VocabSize))])
            : tied;
    }

    private LayerTensors MapLayer(LayerConfig layer, string prefix)
    {
        TensorNames names = plan.Names;
        int queryRows = config.NumHeads * config.HeadDim;
        var tensors = new LayerTensors
        {
            AttentionNorm = Norm(prefix, names.AttentionNorm),
            Qkv = MapQkv(prefix),
            QueryNorm = QkNorm(prefix, names.QueryNorm, config.NumHeads),
            KeyNorm = QkNorm(prefix, names.KeyNorm, config.NumKvHeads),
            Output = reader.Linear(new StoredLinear(prefix + names.Output, config.HiddenSize, queryRows, plan.OutputBias, plan.Transposed)),
            PostAttentionNorm = Norm(prefix, names.PostAttentionNorm),
            MlpNorm = Norm(prefix, names.MlpNorm),
            PostMlpNorm = Norm(prefix, names.PostMlpNorm),
        };
        if (layer.IsMoe)
            return MapExperts(tensors, prefix);

        int width = plan.DenseIntermediateSize == 0 ? config.IntermediateSize : plan.DenseIntermediateSize;
        return tensors with
        {
            Up = MapUp(prefix, names.Up, width, plan.MlpBias),
            Down = reader.Linear(new StoredLinear(prefix + names.Down, config.HiddenSize, width, plan.MlpBias, plan.Transposed)),
        };
    }

    private LayerTensors MapExperts(LayerTensors tensors, string prefix)
    {
        TensorNames names = plan.Names;
        var up = new List<LinearTensors>();
        var down = new List<LinearTensors>();
        for (int e = 0; e < config.NumExperts; e++)
        {
            string expert = $"{prefix}{names.Experts}.{e}.";
            up.Add(MapUp(expert, names.ExpertUp, config.IntermediateSize, bias: false));
            down.Add(reader.Linear(new StoredLinear(expert + names.ExpertDown, config.HiddenSize, config.IntermediateSize)));
        }

        return tensors with
        {
            Router = reader.Linear(new StoredLinear(prefix + names.Router, config.NumExperts, config.HiddenSize)),
            ExpertUp = up,
            ExpertDown = down,
        };
    }

    private LinearTensors MapQkv(string prefix)
    {
        string[] names = plan.Names.Qkv;
        int queryRows = config.NumHeads * config.HeadDim;
        int keyRows = config.NumKvHeads * config.HeadDim;
        if (names.Length == 1)
        {
            return reader.Linear(new StoredLinear(prefix + names[0], queryRows + 2 * keyRows, config.HiddenSize, plan.QkvBias, plan.Transposed,
                RowMap: plan.QkvOrder == QkvOrder.ByKvHead ? StackedFromByKvHead() : null));
        }

        return reader.Linear(
            new StoredLinear(prefix + names[0], queryRows, config.HiddenSize, plan.QkvBias),
            new StoredLinear(prefix + names[1], keyRows, config.HiddenSize, plan.QkvBias),
            new StoredLinear(prefix + names[2], keyRows, config.HiddenSize, plan.QkvBias));
    }

    private LinearTensors MapUp(string prefix, string[] names, int width, bool bias)
    {
        if (names.Length == 1)
            return reader.Linear(new StoredLinear(prefix + names[0], config.GatedMlp ? 2 * width : width, config.HiddenSize, bias, plan.Transposed));
        return reader.Linear(
            new StoredLinear(prefix + names[0], width, config.HiddenSize, bias),
            new StoredLinear(prefix + names[1], width, config.HiddenSize, bias));
    }

    // Stored: for each key head its queries, the key, the value. Wanted: all queries, all keys, all values.
    private Func<int[]> StackedFromByKvHead() => () =>
    {
        int headDim = config.HeadDim;
        int queriesPerKey = config.NumHeads / config.NumKvHeads;
        IEnumerable<int> queries = Enumerable.Range(0, config.NumHeads)
            .Select(h => h / queriesPerKey * (queriesPerKey + 2) + h % queriesPerKey);
        IEnumerable<int> keys = Enumerable.Range(0, config.NumKvHeads).Select(h => h * (queriesPerKey + 2) + queriesPerKey);
        IEnumerable<int> values = keys.Select(slot => slot + 1);
        return [.. queries.Concat(keys).Concat(values).SelectMany(slot => Enumerable.Range(slot * headDim, headDim))];
    };

    private NormTensors? Norm(string prefix, string? name)
    {
        if (name is null)
            return null;
        int size = config.HiddenSize;
        return new NormTensors(plan.NormKind, plan.NormEpsilon, size, Weight($"{prefix}{name}.weight", size),
            plan.NormBias ? reader.Numbers($"{prefix}{name}.bias", size) : null);
    }

    private NormTensors? QkNorm(string prefix, string? name, int heads)
    {
        if (name is null)
            return null;
        int headDim = config.HeadDim;
        float[]? bias = plan.QkNormBias ? Repeat(reader.Numbers($"{prefix}{name}.bias", headDim), heads) : null;
        float[] weight = plan.QkNorm switch
        {
            QkNormKind.SharedByHeads => Repeat(Weight($"{prefix}{name}.weight", headDim), heads),
            QkNormKind.OfEachHead => Weight($"{prefix}{name}.weight", heads, headDim),
            QkNormKind.NumberedHeads =>
                [.. Enumerable.Range(0, heads).SelectMany(h => Weight($"{prefix}{name}.{h}.weight", headDim))],
            _ => Weight($"{prefix}{name}.weight", heads * headDim),
        };
        int groupSize = plan.QkNorm == QkNormKind.WholeRow ? weight.Length : headDim;
        return new NormTensors(plan.NormKind, plan.NormEpsilon, groupSize, weight, bias);
    }

    private float[] Weight(string name, params ReadOnlySpan<long> shape)
    {
        float[] weight = reader.Numbers(name, shape);
        for (int i = 0; i < weight.Length; i++)
            weight[i] += plan.NormOffset;
        return weight;
    }

    private static float[] Repeat(float[] numbers, int times) => [.. Enumerable.Repeat(numbers, times).SelectMany(n => n)];
}
