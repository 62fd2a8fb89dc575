using Steer.Runtime.Checkpoints;

namespace Steer.Runtime.Models.Families;

/// <summary>What config.json says layer by layer.</summary>
internal static class LayerPatterns
{
    /// <summary>
    /// Gives a sliding window to the layers that layer_types calls sliding_attention, or, where there is no such list, to those that
    /// <paramref name="slides"/> names; to none where the window is null.
    /// </summary>
    public static DecoderConfig WithWindow(this DecoderConfig config, ConfigFields c, int? window, Func<int, bool> slides)
    {
        List<string>? types = c.TextsOrNull("layer_types");
        if (types is not null && types.Count != config.NumLayers)
            throw c.Error("layer_types", $"has {types.Count} entries for {config.NumLayers} layers; correct it.");
        string? unknown = types?.Find(type => type is not ("sliding_attention" or "full_attention"));
        if (unknown is not null)
            throw c.Error("layer_types", $"names {unknown}; known are full_attention and sliding_attention.");
        if (window is null)
            return config;
        return config with
        {
            Layers = config.EachLayer((layer, i) =>
                (types is null ? slides(i) : types[i] == "sliding_attention") ? layer with { Window = window.Value } : layer),
        };
    }

    /// <summary>Makes the feed-forward block of some layers a mixture.</summary>
    public static DecoderConfig WithExperts(
        this DecoderConfig config, ConfigFields c, int numExperts, int expertsPerToken, bool normalise, Func<int, bool> isMoe)
    {
        if (expertsPerToken > numExperts)
            throw c.Error("num_experts_per_tok", $"is {expertsPerToken}, more than the {numExperts} experts; correct it.");
        return config with
        {
            NumExperts = numExperts,
            ExpertsPerToken = expertsPerToken,
            NormaliseExpertWeights = normalise,
            Layers = config.EachLayer((layer, i) => layer with { IsMoe = isMoe(i) }),
        };
    }
}
