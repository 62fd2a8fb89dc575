using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>OPT (arXiv 2205.01068): learned positions that begin two rows into their table.</summary>
internal static class Opt
{
    /// <summary>OPTForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        int hiddenSize = c.Size("hidden_size");
        int numHeads = c.Size("num_attention_heads");
        int headDim = StandardConfig.PerHead(c, hiddenSize, numHeads);
        if (!c.Bool("do_layer_norm_before", true))
            throw c.Error("do_layer_norm_before", "is false (opt-350m), which is not supported; use another size of OPT.");
        if (c.Size("word_embed_proj_dim", hiddenSize) != hiddenSize)
            throw c.Error("word_embed_proj_dim", "differs from hidden_size (opt-350m), which is not supported; use another size of OPT.");
        if (!c.Bool("layer_norm_elementwise_affine", true))
            throw c.Error("layer_norm_elementwise_affine", "is false, which is not supported; use another model.");
        bool bias = c.Bool("enable_bias", true);
        var config = new DecoderConfig
        {
            Architecture = "",
            VocabSize = c.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = c.Size("ffn_dim"),
            NumHeads = numHeads,
            NumKvHeads = numHeads,
            HeadDim = headDim,
            MaxPositions = c.Size("max_position_embeddings"),
            Activation = StandardConfig.Activation(c, c.TextOrNull("activation_function") ?? "relu"),
            Layers = StandardConfig.Layers(c.LayerCount("num_hidden_layers"),
                new LayerConfig(StandardConfig.Scale(headDim), Window: 0, Rope: -1, IsMoe: false)),
        };
        return new ModelPlan(config, new TensorPlan
        {
            Names = new TensorNames
            {
                Embedding = "decoder.embed_tokens",
                PositionEmbedding = "decoder.embed_positions",
                Layers = "decoder.layers",
                AttentionNorm = "self_attn_layer_norm",
                Output = "self_attn.out_proj",
                MlpNorm = "final_layer_norm",
                Up = ["fc1"],
                Down = "fc2",
                FinalNorm = c.Bool("_remove_final_layer_norm", false) ? null : "decoder.final_layer_norm",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = 1e-5f,
            NormBias = true,
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = bias,
            PositionOffset = 2,
            TiedHead = c.Bool("tie_word_embeddings", true),
        });
    }
}
