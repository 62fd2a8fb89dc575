using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>StableLM (arXiv 2402.17834): Llama with LayerNorm and rotation of a part of each head.</summary>
internal static class StableLm
{
    /// <summary>StableLmForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        bool parallel = c.Bool("use_parallel_residual", false);
        bool qkNorm = c.Bool("qk_layernorm", false);
        DecoderConfig config = StandardConfig.Read(c, partialRotaryFactor: 0.25);
        return new ModelPlan(config with { ParallelResidual = parallel }, new TensorPlan
        {
            Names = new TensorNames
            {
                QueryNorm = qkNorm ? "self_attn.q_layernorm.norms" : null,
                KeyNorm = qkNorm ? "self_attn.k_layernorm.norms" : null,
                MlpNorm = parallel ? null : "post_attention_layernorm",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_eps", 1e-5f),
            NormBias = true,
            QkNorm = QkNormKind.NumberedHeads,
            QkvBias = c.Bool("use_qkv_bias", false),
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }
}
