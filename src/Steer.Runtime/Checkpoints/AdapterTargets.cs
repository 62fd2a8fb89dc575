using System.Globalization;
using System.Text.RegularExpressions;
using Steer.Runtime.Models.Families;

namespace Steer.Runtime.Checkpoints;

/// <summary>Which modules an adapter_config.json says it changes, with PEFT's rules.</summary>
internal sealed class AdapterTargets
{
    private readonly bool _allLinear;
    private readonly ModulePattern? _pattern;
    private readonly List<string>? _suffixes;
    private readonly ModulePattern? _excludedPattern;
    private readonly List<string> _excludedSuffixes = [];
    private readonly List<ModulePattern> _savedPatterns = [];
    private readonly List<int>? _layers;
    private readonly List<ModulePattern> _layerPatterns = [];

    private AdapterTargets(ConfigFields c, PatternContext context)
    {
        if (c.IsList("target_modules"))
            _suffixes = c.TextsOrNull("target_modules");
        else if (string.Equals(c.TextOrNull("target_modules"), "all-linear", StringComparison.OrdinalIgnoreCase))
            _allLinear = true;
        else if (c.TextOrNull("target_modules") is string expression)
            _pattern = ModulePattern.Whole(context, "target_modules", expression);

        if (c.IsList("exclude_modules"))
            _excludedSuffixes = c.TextsOrNull("exclude_modules")!;
        else if (c.TextOrNull("exclude_modules") is { Length: > 0 } excluded)
            _excludedPattern = ModulePattern.Whole(context, "exclude_modules", excluded);
        foreach (string saved in c.TextsOrNull("modules_to_save") ?? [])
            _savedPatterns.Add(ModulePattern.Start(context, "modules_to_save", $"(^|.*\\.){saved}($|\\..*)"));

        _layers = c.IntsOrNull("layers_to_transform") is { Count: > 0 } numbers ? numbers : null;
        if (_layers is null)
            return;
        List<string> names = c.TextsOrNull("layers_pattern")?.FindAll(name => name.Length > 0) ?? [];
        if (names.Count == 0)
            names.Add("[^.]*");
        _layerPatterns = names.ConvertAll(name => ModulePattern.Start(context, "layers_pattern", $".*?\\.{name}\\.(?<layer>\\d+)\\."));
    }

    /// <summary>Whether target_modules is there at all; without it the adapter's tensors tell what it changes.</summary>
    public bool AreNamed => _allLinear || _pattern is not null || _suffixes is not null;

    /// <summary>Reads the fields that name modules.</summary>
    public static AdapterTargets Read(ConfigFields c, PatternContext context) => new(c, context);

    /// <summary>Whether a module is changed.</summary>
    public bool Contain(string module, ModuleRole role)
    {
        if (_excludedPattern?.Matches(module) == true || _excludedSuffixes.Exists(suffix => EndsWith(module, suffix)))
            return false;
        if (_savedPatterns.Exists(saved => saved.Matches(module)))
            return false;
        if (_allLinear)
            return role == ModuleRole.Projection;
        if (_pattern is not null)
            return _pattern.Matches(module);
        if (_suffixes is null)
            return false;
        return _suffixes.Contains(module)
            || (_suffixes.Exists(suffix => EndsWith(module, suffix)) && (_layers is null || IsInLayers(module)));
    }

    private static bool EndsWith(string module, string suffix) =>
        module == suffix || module.EndsWith($".{suffix}", StringComparison.Ordinal);

    private bool IsInLayers(string module)
    {
        Match? match = _layerPatterns.Select(p => p.Match(module)).FirstOrDefault(m => m.Success);
        return match is not null
            && int.TryParse(match.Groups["layer"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int layer)
            && _layers!.Contains(layer);
    }
}
