using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Command R of Cohere: parallel blocks that share one LayerNorm without bias, rotation of neighbours, scaled logits.</summary>
internal static class Cohere
{
    /// <summary>CohereForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        bool qkNorm = c.Bool("use_qk_norm", false);
        bool attentionBias = c.Bool("attention_bias", false);
        return new ModelPlan(StandardConfig.Read(c) with
        {
            ParallelResidual = true,
            RopeLayout = RopeLayout.Interleaved,
            LogitScale = c.Float("logit_scale", 0.0625f),
        }, new TensorPlan
        {
            Names = new TensorNames
            {
                QueryNorm = qkNorm ? "self_attn.q_norm" : null,
                KeyNorm = qkNorm ? "self_attn.k_norm" : null,
                MlpNorm = null,
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_eps", 1e-5f),
            QkNorm = QkNormKind.OfEachHead,
            QkvBias = attentionBias,
            OutputBias = attentionBias,
            TiedHead = c.Bool("tie_word_embeddings", true),
        });
    }
}
