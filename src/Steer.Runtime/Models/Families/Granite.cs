using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Granite (arXiv 2405.04324): Llama with multipliers on embedding, attention, residual and logits.</summary>
internal static class Granite
{
    /// <summary>GraniteForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        DecoderConfig config = StandardConfig.Read(c);
        float attentionScale = c.Float("attention_multiplier", 1);
        double logitsScaling = c.DoubleOrNull("logits_scaling") ?? 1;
        if (logitsScaling == 0)
            throw c.Error("logits_scaling", "must not be 0; correct it.");
        bool attentionBias = c.Bool("attention_bias", false);
        return new ModelPlan(config with
        {
            Layers = config.EachLayer((layer, _) => layer with { AttentionScale = attentionScale }),
            EmbeddingScale = c.Float("embedding_multiplier", 1),
            ResidualScale = c.Float("residual_multiplier", 1),
            LogitScale = (float)(1 / logitsScaling),
        }, new TensorPlan
        {
            NormEpsilon = c.Float("rms_norm_eps", 1e-6f),
            QkvBias = attentionBias,
            OutputBias = attentionBias,
            MlpBias = c.Bool("mlp_bias", false),
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }
}
