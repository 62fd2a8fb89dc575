using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>GPT-2: learned positions, and projections stored transposed.</summary>
internal static class Gpt2
{
    /// <summary>GPT2LMHeadModel.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        if (c.Bool("add_cross_attention", false))
            throw c.Error("add_cross_attention", "is true: this model reads another model's output; use a decoder that stands alone.");
        int hiddenSize = c.Size("n_embd");
        int numHeads = c.Size("n_head");
        int headDim = StandardConfig.PerHead(c, hiddenSize, numHeads);
        float scale = c.Bool("scale_attn_weights", true) ? StandardConfig.Scale(headDim) : 1;
        bool byLayer = c.Bool("scale_attn_by_inverse_layer_idx", false);
        var config = new DecoderConfig
        {
            Architecture = "",
            VocabSize = c.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = c.SizeOrNull("n_inner") ?? c.Fit("n_embd", 4L * hiddenSize),
            NumHeads = numHeads,
            NumKvHeads = numHeads,
            HeadDim = headDim,
            MaxPositions = c.Size("n_positions"),
            Activation = StandardConfig.Activation(c, c.TextOrNull("activation_function") ?? "gelu_new"),
            Layers = StandardConfig.Layers(c.LayerCount("n_layer"), new LayerConfig(scale, Window: 0, Rope: -1, IsMoe: false)),
        };
        if (byLayer)
            config = config with { Layers = config.EachLayer((layer, i) => layer with { AttentionScale = scale / (i + 1) }) };
        return new ModelPlan(config, new TensorPlan
        {
            Names = new TensorNames
            {
                Prefix = "transformer.",
                Embedding = "wte",
                PositionEmbedding = "wpe",
                Layers = "h",
                AttentionNorm = "ln_1",
                Qkv = ["attn.c_attn"],
                Output = "attn.c_proj",
                MlpNorm = "ln_2",
                Up = ["mlp.c_fc"],
                Down = "mlp.c_proj",
                FinalNorm = "ln_f",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_epsilon", 1e-5f),
            NormBias = true,
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
            Transposed = true,
            TiedHead = c.Bool("tie_word_embeddings", true),
        });
    }
}
