using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>StarCoder 2 (arXiv 2402.19173): LayerNorm, biases, a plain feed-forward block, and a window.</summary>
internal static class StarCoder2
{
    /// <summary>Starcoder2ForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        bool bias = c.Bool("use_bias", true);
        DecoderConfig config = StandardConfig.Read(c, activation: c.TextOrNull("hidden_act") ?? "gelu_pytorch_tanh")
            .WithWindow(c, c.PositiveOrNull("sliding_window"), _ => true);
        return new ModelPlan(config with { GatedMlp = false }, new TensorPlan
        {
            Names = new TensorNames { Up = ["mlp.c_fc"], Down = "mlp.c_proj" },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("norm_epsilon", 1e-5f),
            NormBias = true,
            QkvBias = bias,
            OutputBias = bias,
            MlpBias = bias,
            TiedHead = c.Bool("tie_word_embeddings", true),
        });
    }
}
