using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Gemma 1 to 3 (arXiv 2403.08295, 2408.00118, 2503.19786): norm weights count from 1, and the embedding is scaled.</summary>
internal static class Gemma
{
    private static readonly TensorNames Gemma2Names = new()
    {
        PostAttentionNorm = "post_attention_layernorm",
        MlpNorm = "pre_feedforward_layernorm",
        PostMlpNorm = "post_feedforward_layernorm",
    };

    /// <summary>GemmaForCausalLM.</summary>
    public static ModelPlan PlanGemma(ConfigFields c) => new(Config(c), Tensors(c, new TensorNames()));

    /// <summary>Gemma2ForCausalLM: windows on every other layer, norms after each block, capped scores and logits.</summary>
    public static ModelPlan PlanGemma2(ConfigFields c)
    {
        DecoderConfig config = WithScale(Config(c), c)
            .WithWindow(c, c.PositiveOrNull("sliding_window") ?? 4096, i => i % 2 == 0);
        return new ModelPlan(config with
        {
            AttentionSoftCap = Cap(c, "attn_logit_softcapping", 50),
            LogitSoftCap = Cap(c, "final_logit_softcapping", 30),
        }, Tensors(c, Gemma2Names));
    }

    /// <summary>Gemma3ForCausalLM: norms of queries and keys in place of the caps, and frequencies of their own on layers with a window.</summary>
    public static ModelPlan PlanGemma3(ConfigFields c)
    {
        if (c.Bool("use_bidirectional_attention", false))
            throw c.Error("use_bidirectional_attention", "is true: this model encodes and does not generate; use a causal one.");
        int pattern = c.PositiveOrNull("sliding_window_pattern") ?? c.PositiveOrNull("_sliding_window_pattern") ?? 6;
        DecoderConfig config = WithScale(Config(c), c)
            .WithWindow(c, c.PositiveOrNull("sliding_window") ?? 4096, i => (i + 1) % pattern != 0);
        RopeConfig full = RopeReader.Read(c, config.HeadDim, 1e6f, layerType: "full_attention");
        RopeConfig local = c.ObjectOrNull("rope_parameters")?.Has("sliding_attention") == true
            ? RopeReader.Read(c, config.HeadDim, layerType: "sliding_attention")
            : RopeReader.Unscaled(c.File, config.HeadDim, c.Float("rope_local_base_freq", 10000));
        return new ModelPlan(config with
        {
            Ropes = [full, local],
            Layers = config.EachLayer((layer, _) => layer with { Rope = layer.Window > 0 ? 1 : 0 }),
            AttentionSoftCap = Cap(c, "attn_logit_softcapping", 0),
            LogitSoftCap = Cap(c, "final_logit_softcapping", 0),
        }, Tensors(c, Gemma2Names with { QueryNorm = "self_attn.q_norm", KeyNorm = "self_attn.k_norm" }));
    }

    private static DecoderConfig Config(ConfigFields c)
    {
        // hidden_act is what Gemma 1 was first published with by mistake; hidden_activation says what it was trained with.
        string activation = c.TextOrNull("hidden_activation") ?? "gelu_pytorch_tanh";
        DecoderConfig config = StandardConfig.Read(c, activation: activation, headDim: 256);
        return config with { EmbeddingScale = MathF.Sqrt(config.HiddenSize) };
    }

    private static DecoderConfig WithScale(DecoderConfig config, ConfigFields c)
    {
        float scalar = c.Float("query_pre_attn_scalar", 256);
        if (!(scalar > 0))
            throw c.Error("query_pre_attn_scalar", "must be above 0; correct it.");
        return config with { Layers = config.EachLayer((layer, _) => layer with { AttentionScale = StandardConfig.Scale(scalar) }) };
    }

    private static float Cap(ConfigFields c, string name, float missing) => c.IsNull(name) ? 0 : c.Float(name, missing);

    private static TensorPlan Tensors(ConfigFields c, TensorNames names)
    {
        bool attentionBias = c.Bool("attention_bias", false);
        return new TensorPlan
        {
            Names = names,
            NormEpsilon = c.Float("rms_norm_eps", 1e-6f),
            NormOffset = 1,
            QkvBias = attentionBias,
            OutputBias = attentionBias,
            TiedHead = c.Bool("tie_word_embeddings", true),
        };
    }
}
