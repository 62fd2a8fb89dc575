using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>
/// Falcon (arXiv 2311.16867): 7B (one key head, parallel blocks that share a norm), 40B and 180B (grouped key heads, a norm for each block)
/// and RW (ALiBi, blocks one after the other, biases).
/// </summary>
internal static class Falcon
{
    /// <summary>FalconForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        int hiddenSize = c.Size("hidden_size");
        int numHeads = c.SizeOrNull("num_attention_heads") ?? c.Size("n_head");
        int headDim = StandardConfig.PerHead(c, hiddenSize, numHeads);
        bool grouped = c.Bool("new_decoder_architecture", false);
        bool oneKvHead = !grouped && c.Bool("multi_query", true);
        bool parallel = grouped || c.Bool("parallel_attn", true);
        bool alibi = c.Bool("alibi", false);
        bool bias = c.Bool("bias", false);
        int norms = !parallel ? 0 : grouped ? c.Int("num_ln_in_parallel_attn", 2) : 1;
        float scale = StandardConfig.Scale(headDim);
        var config = new DecoderConfig
        {
            Architecture = "",
            VocabSize = c.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = c.SizeOrNull("ffn_hidden_size") ?? c.Fit("hidden_size", 4L * hiddenSize),
            NumHeads = numHeads,
            NumKvHeads = oneKvHead ? 1 : StandardConfig.KvHeads(c, c.Size("num_kv_heads", numHeads), numHeads),
            HeadDim = headDim,
            MaxPositions = c.PositiveOrNull("max_position_embeddings") ?? 2048,
            Activation = StandardConfig.Activation(c, c.TextOrNull("activation") ?? "gelu"),
            ParallelResidual = parallel,
            Layers = StandardConfig.Layers(c.Has("num_hidden_layers") ? c.LayerCount("num_hidden_layers") : c.LayerCount("n_layer"),
                new LayerConfig(scale, Window: 0, Rope: alibi ? -1 : 0, IsMoe: false)),
            Ropes = alibi ? [] : [RopeReader.Read(c, headDim)],
            AlibiSlopes = alibi ? AlibiSlopes(numHeads, scale) : null,
        };
        return new ModelPlan(config, new TensorPlan
        {
            Names = new TensorNames
            {
                Prefix = "transformer.",
                Embedding = "word_embeddings",
                Layers = "h",
                AttentionNorm = norms == 2 ? "ln_attn" : "input_layernorm",
                Qkv = ["self_attention.query_key_value"],
                Output = "self_attention.dense",
                MlpNorm = norms switch { 0 => "post_attention_layernorm", 2 => "ln_mlp", _ => null },
                Up = ["mlp.dense_h_to_4h"],
                Down = "mlp.dense_4h_to_h",
                FinalNorm = "ln_f",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_epsilon", 1e-5f),
            NormBias = true,
            QkvBias = bias,
            QkvOrder = oneKvHead ? QkvOrder.Stacked : QkvOrder.ByKvHead,
            OutputBias = bias,
            MlpBias = bias,
            TiedHead = c.Bool("tie_word_embeddings", true),
        });
    }

    // As transformers computes it: slopes are rounded to bfloat16, and scaled together with the scores.
    private static float[] AlibiSlopes(int numHeads, float scale) => Array.ConvertAll(
        Alibi.Slopes(numHeads), slope => DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(slope)) * scale);
}
