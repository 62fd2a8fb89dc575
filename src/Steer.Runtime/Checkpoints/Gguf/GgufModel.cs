using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Opens a whole model in a GGUF file.</summary>
internal static class GgufModel
{
    // A text ends where the model ends its turn or asks for a tool, too.
    private static readonly string[] EndKeys = ["eos", "eot", "eom"];

    /// <summary>A model and what its vocabulary says about the ends of texts.</summary>
    /// <param name="Catalog">Its tensors.</param>
    /// <param name="Plan">How they are read.</param>
    /// <param name="EosIds">Tokens that end a text.</param>
    /// <param name="BosId">Token that begins a text, or null.</param>
    public sealed record Opened(TensorCatalog Catalog, ModelPlan Plan, IReadOnlyList<int> EosIds, int? BosId);

    /// <summary>Opens a file and plans how it is read.</summary>
    /// <exception cref="SteerException">It is damaged, holds something else, or its architecture is not known.</exception>
    public static Opened Open(string path)
    {
        GgufFile file = GgufFile.Open(path);
        try
        {
            CheckIsWhole(file);
            ConfigFields config = GgufConfig.Read(file);
            long numbers = file.Tensors.Values.Sum(t => t.Shape.Aggregate(1L, (product, dimension) => product * dimension));
            ModelPlan plan = FamilyTable.Plan(config.WithLimits(numbers, file.Tensors.Count));
            plan = new ModelPlan(GgufRope.Apply(file, plan.Config), AsStored(plan.Tensors, file));
            string architecture = file.Metadata.Text(GgufConfig.Architecture);
            if (GgufLayout.IsPermuted(architecture) && plan.Config.Ropes.Any(rope => 2 * rope.InverseFrequencies.Length != plan.Config.HeadDim))
                throw file.Metadata.Error($"{architecture}.rope.dimension_count", "is less than a head, which is not supported; use another model.");
            var names = new GgufNames(plan.Tensors.Names);
            List<StoredTensor> tensors = GgufTensors.Of(file, plan, names, new GgufLayout(architecture, plan));
            var catalog = new TensorCatalog(path, file, tensors)
            {
                NameInFile = names.ToGguf,
                Configuration = "its metadata",
            };
            return new Opened(catalog, plan, [.. EndKeys.Select(key => TokenId(file, key)).OfType<int>().Distinct()], TokenId(file, "bos"));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void CheckIsWhole(GgufFile file)
    {
        if (GgufAdapter.IsAdapter(file))
            throw FileError.At(file.Path, "is an adapter, not a whole model; give it as the expert, and its base model as the base.");
    }

    // Metadata do not say which biases a model has, nor whether its output is the embedding: the tensors tell.
    private static TensorPlan AsStored(TensorPlan plan, GgufFile file) => plan with
    {
        QkvBias = file.Tensors.ContainsKey("blk.0.attn_q.bias") || file.Tensors.ContainsKey("blk.0.attn_qkv.bias"),
        OutputBias = file.Tensors.ContainsKey("blk.0.attn_output.bias"),
        MlpBias = file.Tensors.ContainsKey("blk.0.ffn_down.bias"),
        HeadBias = file.Tensors.ContainsKey("output.bias"),
        TiedHead = !file.Tensors.ContainsKey("output.weight"),
        // Norms of single heads, which a Hugging Face folder of StableLM numbers, are one tensor.
        QkNorm = plan.QkNorm == QkNormKind.NumberedHeads ? QkNormKind.OfEachHead : plan.QkNorm,
    };

    private static int? TokenId(GgufFile file, string name) =>
        file.Metadata.IntegerOrNull($"tokenizer.ggml.{name}_token_id") is >= 0 and <= int.MaxValue and var id ? (int)id : null;
}
