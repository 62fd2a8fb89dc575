using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Phi 1 and 2 (arXiv 2309.05463), and Phi 3 (arXiv 2404.14219), which share little but the name.</summary>
internal static class Phi
{
    /// <summary>PhiForCausalLM: parallel blocks that share one LayerNorm, rotation of a part of each head, biases everywhere.</summary>
    public static ModelPlan PlanPhi(ConfigFields c)
    {
        bool qkNorm = c.Bool("qk_layernorm", false);
        DecoderConfig config = StandardConfig.Read(c, partialRotaryFactor: 0.5, activation: c.TextOrNull("hidden_act") ?? "gelu_new");
        return new ModelPlan(config with { GatedMlp = false, ParallelResidual = true }, new TensorPlan
        {
            Names = new TensorNames
            {
                Output = "self_attn.dense",
                QueryNorm = qkNorm ? "self_attn.q_layernorm" : null,
                KeyNorm = qkNorm ? "self_attn.k_layernorm" : null,
                MlpNorm = null,
                Up = ["mlp.fc1"],
                Down = "mlp.fc2",
                FinalNorm = "final_layernorm",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_eps", 1e-5f),
            NormBias = true,
            QkNormBias = true,
            QkvBias = true,
            OutputBias = true,
            MlpBias = true,
            HeadBias = true,
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }

    /// <summary>Phi3ForCausalLM: Llama with query, key and value stored as one, and gate and up.</summary>
    public static ModelPlan PlanPhi3(ConfigFields c) =>
        new(StandardConfig.Read(c).WithWindow(c, c.PositiveOrNull("sliding_window"), _ => true), new TensorPlan
        {
            Names = new TensorNames { Qkv = ["self_attn.qkv_proj"], Up = ["mlp.gate_up_proj"] },
            NormEpsilon = c.Float("rms_norm_eps", 1e-5f),
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
}
