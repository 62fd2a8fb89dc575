using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>Qwen 2 (arXiv 2407.10671) and Qwen 3 (arXiv 2505.09388), dense and mixtures.</summary>
internal static class Qwen
{
    private static readonly TensorNames Qwen3Names = new() { QueryNorm = "self_attn.q_norm", KeyNorm = "self_attn.k_norm" };

    /// <summary>Qwen2ForCausalLM: Llama with biases on query, key and value.</summary>
    public static ModelPlan PlanQwen2(ConfigFields c) => new(WithQwenWindow(StandardConfig.Read(c), c), new TensorPlan
    {
        NormEpsilon = c.Float("rms_norm_eps", 1e-6f),
        QkvBias = true,
        TiedHead = c.Bool("tie_word_embeddings", false),
    });

    /// <summary>Qwen3ForCausalLM: Llama with norms over each head of queries and keys.</summary>
    public static ModelPlan PlanQwen3(ConfigFields c)
    {
        DecoderConfig config = StandardConfig.Read(c, headDim: 128);
        return new ModelPlan(WithQwenWindow(config, c), Qwen3Tensors(c));
    }

    /// <summary>Qwen3MoeForCausalLM: Qwen 3 with a mixture in every layer, or in some.</summary>
    public static ModelPlan PlanQwen3Moe(ConfigFields c)
    {
        DecoderConfig config = StandardConfig.Read(c);
        List<int> denseLayers = c.IntsOrNull("mlp_only_layers") ?? [];
        int step = c.PositiveOrNull("decoder_sparse_step") ?? 1;
        int? window = c.Bool("use_sliding_window", false) ? c.PositiveOrNull("sliding_window") ?? 4096 : null;
        DecoderConfig mixture = (config with
            {
                IntermediateSize = c.Size("moe_intermediate_size", 768),
                DenseIntermediateSize = config.IntermediateSize,
            })
            .WithWindow(c, window, _ => true)
            .WithExperts(c, c.Size("num_experts", 128), c.Size("num_experts_per_tok", 8), c.Bool("norm_topk_prob", false),
                i => !denseLayers.Contains(i) && (i + 1) % step == 0);
        return new ModelPlan(mixture, Qwen3Tensors(c) with
        {
            Names = Qwen3Names with { Router = "mlp.gate" },
        });
    }

    private static TensorPlan Qwen3Tensors(ConfigFields c)
    {
        bool attentionBias = c.Bool("attention_bias", false);
        return new TensorPlan
        {
            Names = Qwen3Names,
            NormEpsilon = c.Float("rms_norm_eps", 1e-6f),
            QkvBias = attentionBias,
            OutputBias = attentionBias,
            TiedHead = c.Bool("tie_word_embeddings", false),
        };
    }

    private static DecoderConfig WithQwenWindow(DecoderConfig config, ConfigFields c)
    {
        int? window = c.Bool("use_sliding_window", false) && !c.IsNull("sliding_window") ? c.PositiveOrNull("sliding_window") ?? 4096 : null;
        int fullLayers = c.Int("max_window_layers", 28);
        return config.WithWindow(c, window, i => i >= fullLayers);
    }
}
