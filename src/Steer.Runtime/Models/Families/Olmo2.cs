using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>OLMo 2 (arXiv 2501.00656): norms after each block instead of before, and over all queries and keys.</summary>
internal static class Olmo2
{
    /// <summary>Olmo2ForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        bool attentionBias = c.Bool("attention_bias", false);
        return new ModelPlan(StandardConfig.Read(c), new TensorPlan
        {
            Names = new TensorNames
            {
                AttentionNorm = null,
                QueryNorm = "self_attn.q_norm",
                KeyNorm = "self_attn.k_norm",
                PostAttentionNorm = "post_attention_layernorm",
                MlpNorm = null,
                PostMlpNorm = "post_feedforward_layernorm",
            },
            NormEpsilon = c.Float("rms_norm_eps", 1e-5f),
            QkNorm = QkNormKind.WholeRow,
            QkvBias = attentionBias,
            OutputBias = attentionBias,
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }
}
