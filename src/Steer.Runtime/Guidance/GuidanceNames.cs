namespace Steer.Runtime.Guidance;

/// <summary>Models and presets as flags, branches, files and reports name them.</summary>
internal static class GuidanceNames
{
    /// <summary>Such as anti-expert; expert for each of several.</summary>
    public static string Name(this Variant variant) => variant switch
    {
        Variant.AntiExpert => "anti-expert",
        >= Variant.MoreExperts => "expert",
        _ => variant.ToString().ToLowerInvariant(),
    };

    /// <summary>Such as contrastive-beta.</summary>
    public static string Name(this GuidancePreset preset) => preset switch
    {
        GuidancePreset.ContrastiveBeta => "contrastive-beta",
        GuidancePreset.ContextAware => "context-aware",
        _ => preset.ToString().ToLowerInvariant(),
    };

    /// <summary>Such as log-mean-exp.</summary>
    public static string Name(this NegativeCombination combination) => combination switch
    {
        NegativeCombination.LogMeanExp => "log-mean-exp",
        _ => combination.ToString().ToLowerInvariant(),
    };
}
