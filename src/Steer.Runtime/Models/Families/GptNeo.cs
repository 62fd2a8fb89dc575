using Steer.Kernels;
using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>GPT-Neo: GPT-2 with windows on every other layer, and scores that are not scaled.</summary>
internal static class GptNeo
{
    /// <summary>GPTNeoForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        int hiddenSize = c.Size("hidden_size");
        int numHeads = c.SizeOrNull("num_heads") ?? c.Size("num_attention_heads");
        int numLayers = c.Has("num_layers") ? c.LayerCount("num_layers") : c.LayerCount("num_hidden_layers");
        int window = c.PositiveOrNull("window_size") ?? 256;
        List<string> kinds = AttentionKinds(c, numLayers);
        var config = new DecoderConfig
        {
            Architecture = "",
            VocabSize = c.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = c.SizeOrNull("intermediate_size") ?? c.Fit("hidden_size", 4L * hiddenSize),
            NumHeads = numHeads,
            NumKvHeads = numHeads,
            HeadDim = StandardConfig.PerHead(c, hiddenSize, numHeads),
            MaxPositions = c.Size("max_position_embeddings"),
            Activation = StandardConfig.Activation(c, c.TextOrNull("activation_function") ?? "gelu_new"),
            Layers = [.. kinds.Select(kind => new LayerConfig(1, kind == "local" ? window : 0, Rope: -1, IsMoe: false))],
        };
        return new ModelPlan(config, new TensorPlan
        {
            Names = new TensorNames
            {
                Prefix = "transformer.",
                Embedding = "wte",
                PositionEmbedding = "wpe",
                Layers = "h",
                AttentionNorm = "ln_1",
                Qkv = ["attn.attention.q_proj", "attn.attention.k_proj", "attn.attention.v_proj"],
                Output = "attn.attention.out_proj",
                MlpNorm = "ln_2",
                Up = ["mlp.c_fc"],
                Down = "mlp.c_proj",
                FinalNorm = "ln_f",
            },
            NormKind = NormKind.Layer,
            NormEpsilon = c.Float("layer_norm_epsilon", 1e-5f),
            NormBias = true,
            OutputBias = true,
            MlpBias = true,
            TiedHead = c.Bool("tie_word_embeddings", true),
        });
    }

    // attention_types is [[["global", "local"], 12]]: lists of kinds, each with the number of times it repeats.
    private static List<string> AttentionKinds(ConfigFields c, int numLayers)
    {
        List<string> kinds = c.TextsOrNull("attention_layers") ?? [];
        if (kinds.Count == 0)
        {
            foreach ((List<string> group, int times) in c.RepeatedTexts("attention_types"))
            {
                for (int i = 0; i < times && kinds.Count <= numLayers; i++)
                    kinds.AddRange(group);
            }
        }

        if (kinds.Count != numLayers || kinds.Exists(kind => kind is not ("global" or "local")))
            throw c.Error("attention_types", $"must name global or local for each of {numLayers} layers; correct it.");
        return kinds;
    }
}
