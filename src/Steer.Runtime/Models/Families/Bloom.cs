using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>BLOOM (arXiv 2211.05100): ALiBi, and a norm over the embedding.</summary>
internal static class Bloom
{
    /// <summary>BloomForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        if (c.Bool("apply_residual_connection_post_layernorm", false))
            throw c.Error("apply_residual_connection_post_layernorm", "is true, which is not supported; use another model.");
        int hiddenSize = c.SizeOrNull("hidden_size") ?? c.Size("n_embed");
        int numHeads = c.SizeOrNull("n_head") ?? c.Size("num_attention_heads");
        int headDim = StandardConfig.PerHead(c, hiddenSize, numHeads);
        var config = new DecoderConfig
        {
            Architecture = "",
            VocabSize = c.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = c.Fit("hidden_size", 4L * hiddenSize),
            NumHeads = numHeads,
            NumKvHeads = numHeads,
            HeadDim = headDim,
            // ALiBi sets no limit; this is the length of the training texts.
            MaxPositions = c.PositiveOrNull("seq_length") ?? 2048,
            Activation = Activation.GeluTanh,
            Layers = StandardConfig.Layers(c.Has("n_layer") ? c.LayerCount("n_layer") : c.LayerCount("num_hidden_layers"),
                new LayerConfig(StandardConfig.Scale(headDim), Window: 0, Rope: -1, IsMoe: false)),
            AlibiSlopes = Alibi.Slopes(numHeads),
        };
        return new ModelPlan(config, new TensorPlan
        {
            Names = new TensorNames
            {
                Prefix = "transformer.",
                Embedding = "word_embeddings",
                EmbeddingNorm = "word_embeddings_layernorm",
                Layers = "h",
                Qkv = ["self_attention.query_key_value"],
                Output = "self_attention.dense",
                Up = ["mlp.dense_h_to_4h"],
                Down = "mlp.dense_4h_to_h",
                FinalNorm = "ln_f",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_epsilon", 1e-5f),
            NormBias = true,
            QkvBias = true,
            QkvOrder = QkvOrder.ByKvHead,
            OutputBias = true,
            MlpBias = true,
            TiedHead = c.Bool("tie_word_embeddings", true),
        });
    }
}
