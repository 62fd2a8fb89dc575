using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>GPT-J: parallel blocks that share one norm, rotation of neighbours in a part of each head, a bias on the output.</summary>
internal static class GptJ
{
    /// <summary>GPTJForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        int hiddenSize = c.Size("n_embd");
        int numHeads = c.Size("n_head");
        int headDim = StandardConfig.PerHead(c, hiddenSize, numHeads);
        int rotaryDim = c.Size("rotary_dim", 64);
        if (rotaryDim > headDim)
            throw c.Error("rotary_dim", $"is {rotaryDim}, more than the {headDim} columns of a head; correct it.");
        var config = new DecoderConfig
        {
            Architecture = "",
            VocabSize = c.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = c.SizeOrNull("n_inner") ?? c.Fit("n_embd", 4L * hiddenSize),
            NumHeads = numHeads,
            NumKvHeads = numHeads,
            HeadDim = headDim,
            MaxPositions = c.Positive("n_positions"),
            Activation = StandardConfig.Activation(c, c.TextOrNull("activation_function") ?? "gelu_new"),
            ParallelResidual = true,
            Layers = StandardConfig.Layers(c.LayerCount("n_layer"),
                new LayerConfig(StandardConfig.Scale(headDim), Window: 0, Rope: 0, IsMoe: false)),
            Ropes = [RopeReader.Unscaled(c.File, rotaryDim, 10000)],
            RopeLayout = RopeLayout.Interleaved,
        };
        return new ModelPlan(config, new TensorPlan
        {
            Names = new TensorNames
            {
                Prefix = "transformer.",
                Embedding = "wte",
                Layers = "h",
                AttentionNorm = "ln_1",
                Qkv = ["attn.q_proj", "attn.k_proj", "attn.v_proj"],
                Output = "attn.out_proj",
                MlpNorm = null,
                Up = ["mlp.fc_in"],
                Down = "mlp.fc_out",
                FinalNorm = "ln_f",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_epsilon", 1e-5f),
            NormBias = true,
            MlpBias = true,
            HeadBias = true,
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }
}
