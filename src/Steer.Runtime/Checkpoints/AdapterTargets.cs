using System.Globalization;
using System.Text.RegularExpressions;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints;

/// <summary>Which modules an adapter_config.json says it changes, with PEFT's rules.</summary>
internal sealed class AdapterTargets
{
    private readonly bool allLinear;
    private readonly ModulePattern? pattern;
    private readonly List<string>? suffixes;
    private readonly ModulePattern? excludedPattern;
    private readonly List<string> excludedSuffixes = [];
    private readonly List<ModulePattern> savedPatterns = [];
    private readonly List<int>? layers;
    private readonly List<ModulePattern> layerPatterns;

    private AdapterTargets(ConfigFields c)
    {
        if (c.IsList("target_modules"))
            suffixes = c.TextsOrNull("target_modules");
        else if (string.Equals(c.TextOrNull("target_modules"), "all-linear", StringComparison.OrdinalIgnoreCase))
            allLinear = true;
        else if (c.TextOrNull("target_modules") is string expression)
            pattern = ModulePattern.Whole(c, "target_modules", expression);

        if (c.IsList("exclude_modules"))
            excludedSuffixes = c.TextsOrNull("exclude_modules")!;
        else if (c.TextOrNull("exclude_modules") is { Length: > 0 } excluded)
            excludedPattern = ModulePattern.Whole(c, "exclude_modules", excluded);
        foreach (string saved in c.TextsOrNull("modules_to_save") ?? [])
            savedPatterns.Add(new ModulePattern(c, "modules_to_save", $"(^|.*\\.){saved}($|\\..*)"));

        layers = c.IntsOrNull("layers_to_transform") is { Count: > 0 } numbers ? numbers : null;
        List<string> names = c.TextsOrNull("layers_pattern")?.FindAll(name => name.Length > 0) ?? [];
        if (names.Count == 0)
            names.Add("[^.]*");
        layerPatterns = names.ConvertAll(name => new ModulePattern(c, "layers_pattern", $".*?\\.{name}\\.(?<layer>\\d+)\\."));
    }

    /// <summary>Whether target_modules is there at all; without it the adapter's tensors tell what it changes.</summary>
    public bool AreNamed => allLinear || pattern is not null || suffixes is not null;

    /// <summary>Reads the fields that name modules.</summary>
    public static AdapterTargets Read(ConfigFields c) => new(c);

    /// <summary>Whether a module is changed.</summary>
    public bool Contain(string module, ModuleRole role)
    {
        if (excludedPattern?.Match(module).Success == true || excludedSuffixes.Exists(suffix => EndsWith(module, suffix)))
            return false;
        if (savedPatterns.Exists(saved => saved.Match(module).Success))
            return false;
        if (allLinear)
            return role == ModuleRole.Projection;
        if (pattern is not null)
            return pattern.Match(module).Success;
        if (suffixes is null)
            return false;
        return suffixes.Contains(module)
            || (suffixes.Exists(suffix => EndsWith(module, suffix)) && (layers is null || IsInLayers(module)));
    }

    private static bool EndsWith(string module, string suffix) =>
        module == suffix || module.EndsWith($".{suffix}", StringComparison.Ordinal);

    private bool IsInLayers(string module)
    {
        Match? match = layerPatterns.Select(p => p.Match(module)).FirstOrDefault(m => m.Success);
        return match is not null
            && int.TryParse(match.Groups["layer"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            && layers!.Contains(layer);
    }
}
