using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>SmolLM3: Llama without rotation on every fourth layer.</summary>
internal static class SmolLm3
{
    /// <summary>SmolLM3ForCausalLM.</summary>
    public static ModelPlan Plan(ConfigFields c)
    {
        DecoderConfig config = StandardConfig.Read(c, ropeTheta: 2e6f);
        int interval = c.PositiveOrNull("no_rope_layer_interval") ?? 4;
        List<int>? rotates = c.IntsOrNull("no_rope_layers");
        if (rotates is not null && rotates.Count != config.NumLayers)
            throw c.Error("no_rope_layers", $"has {rotates.Count} entries for {config.NumLayers} layers; correct it.");
        int? window = c.Bool("use_sliding_window", false) ? c.PositiveOrNull("sliding_window") : null;
        bool attentionBias = c.Bool("attention_bias", false);
        return new ModelPlan(
            (config with { Layers = config.EachLayer((layer, i) => Rotates(i) ? layer : layer with { Rope = -1 }) })
                .WithWindow(c, window, Rotates),
            new TensorPlan
            {
                NormEpsilon = c.Float("rms_norm_eps", 1e-6f),
                QkvBias = attentionBias,
                OutputBias = attentionBias,
                MlpBias = c.Bool("mlp_bias", false),
                TiedHead = c.Bool("tie_word_embeddings", true),
            });

        // Despite its name, no_rope_layers marks the layers that rotate.
        bool Rotates(int layer) => rotates is null ? (layer + 1) % interval != 0 : rotates[layer] != 0;
    }
}
