using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Llama 1 to 3 (arXiv 2302.13971).</summary>
internal static class Llama
{
    /// <summary>LlamaForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        bool attentionBias = c.Bool("attention_bias", false);
        return new ModelPlan(StandardConfig.Read(c), new TensorPlan
        {
            NormEpsilon = c.Float("rms_norm_eps", 1e-6f),
            QkvBias = attentionBias,
            OutputBias = attentionBias,
            MlpBias = c.Bool("mlp_bias", false),
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }
}
