using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>GPT-NeoX and Pythia (arXiv 2204.06745, 2304.01373): parallel blocks with a norm each, rotation of a part of each head.</summary>
internal static class GptNeoX
{
    /// <summary>GPTNeoXForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        bool attentionBias = c.Bool("attention_bias", true);
        DecoderConfig config = StandardConfig.Read(c, ropeTheta: c.Float("rotary_emb_base", 10000),
            partialRotaryFactor: c.DoubleOrNull("rotary_pct") ?? 0.25, activation: c.TextOrNull("hidden_act") ?? "gelu");
        return new ModelPlan(config with
        {
            GatedMlp = false,
            ParallelResidual = c.Bool("use_parallel_residual", true),
        }, new TensorPlan
        {
            Names = new TensorNames
            {
                Prefix = "gpt_neox.",
                Embedding = "embed_in",
                Qkv = ["attention.query_key_value"],
                Output = "attention.dense",
                Up = ["mlp.dense_h_to_4h"],
                Down = "mlp.dense_4h_to_h",
                FinalNorm = "final_layer_norm",
                Head = "embed_out",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_eps", 1e-5f),
            NormBias = true,
            QkvBias = attentionBias,
            QkvOrder = QkvOrder.ByKvHead,
            OutputBias = attentionBias,
            MlpBias = true,
            TiedHead = c.Bool("tie_word_embeddings", false),
        });
    }
}
