using System.Text.Json;

namespace Steer.Runtime.Checkpoints;

/// <summary>How the biases of a base are trained with an adapter.</summary>
internal enum AdapterBias
{
    /// <summary>Not at all.</summary>
    None,

    /// <summary>Those of the modules that it changes.</summary>
    LoraOnly,

    /// <summary>All.</summary>
    All,
}

/// <summary>What adapter_config.json says, checked; whatever would change the arithmetic and is not known is refused by its name.</summary>
internal sealed class AdapterConfig
{
    // Each makes an adapter compute something other than x + scale * B A x, or changes the base model first.
    private static readonly string[] Unsupported =
    [
        "alora_invocation_tokens", "arrow_config", "kasa_config", "layer_replication", "megatron_config", "monteclora_config",
        "target_parameters", "trainable_token_indices", "use_bdlora", "use_qalora",
    ];

    // Kernels hold a row of this width on their stack; it is also as many as the columns of most models, where a low rank ends.
    private const int MaxRank = 8192;

    private static readonly string[] PlainInitialisations = ["gaussian", "eva", "orthogonal"];

    private readonly int _rank;
    private readonly double _alpha;
    private readonly bool _rankStabilised;
    private readonly List<(ModulePattern Pattern, double Value)> _ranks;
    private readonly List<(ModulePattern Pattern, double Value)> _alphas;

    private AdapterConfig(ConfigFields c)
    {
        string type = c.TextOrNull("peft_type") ?? "(none)";
        if (type != "LORA")
            throw c.Error("peft_type", $"is {type}; only LORA adapters can be loaded.");
        if (Array.Find(Unsupported, c.IsTruthy) is string name)
            throw c.Error(name, "is set, which is not supported; train a plain LoRA, or merge the adapter into its base.");
        CheckInitialisation(c);

        var context = new PatternContext(c);
        File = c.File;
        BaseName = c.TextOrNull("base_model_name_or_path") ?? "(unknown)";
        Targets = AdapterTargets.Read(c, context);
        ModulesToSave = c.TextsOrNull("modules_to_save") ?? [];
        UsesDora = c.Bool("use_dora", false);
        HasLoraBias = c.Bool("lora_bias", false);
        if (UsesDora && HasLoraBias)
            throw c.Error("lora_bias", "is set together with use_dora, which PEFT does not define; correct it.");
        KeepsTied = c.Bool("ensure_weight_tying", false);
        Bias = (c.TextOrNull("bias") ?? "none") switch
        {
            "none" => AdapterBias.None,
            "lora_only" => AdapterBias.LoraOnly,
            "all" => AdapterBias.All,
            var other => throw c.Error("bias", $"is {other}; known are none, lora_only and all."),
        };
        // Says how the base stores its weights; the base's own family knows that.
        _ = c.Bool("fan_in_fan_out", false);
        _rank = c.Positive("r");
        _alpha = c.DoubleOrNull("lora_alpha") ?? 8;
        _rankStabilised = c.Bool("use_rslora", false);
        _ranks = Patterns(c, "rank_pattern", context);
        _alphas = Patterns(c, "alpha_pattern", context);
        if (_ranks.Exists(r => r.Value is not (>= 1 and <= int.MaxValue) || r.Value != Math.Floor(r.Value)))
            throw c.Error("rank_pattern", "must give whole numbers from 1 on; correct it.");
    }

    /// <summary>The file, for errors.</summary>
    public string File { get; }

    /// <summary>Name or path of the base that the adapter was trained on.</summary>
    public string BaseName { get; }

    /// <summary>The modules that get a low-rank change.</summary>
    public AdapterTargets Targets { get; }

    /// <summary>Ends of the names of modules that the adapter brings whole.</summary>
    public List<string> ModulesToSave { get; }

    /// <summary>Magnitudes are trained apart (DoRA, arXiv 2402.09353).</summary>
    public bool UsesDora { get; }

    /// <summary>lora_B has a bias.</summary>
    public bool HasLoraBias { get; }

    /// <summary>A head tied to the embedding follows an embedding that the adapter brings.</summary>
    public bool KeepsTied { get; }

    /// <summary>Which biases of the base are trained.</summary>
    public AdapterBias Bias { get; }

    /// <summary>Reads and checks a file.</summary>
    /// <exception cref="SteerException">It is missing, damaged, or asks for what is not supported.</exception>
    public static AdapterConfig Read(string path) => Of(ConfigFields.ReadFile(path));

    /// <summary>Checks the fields of an adapter_config.json.</summary>
    /// <exception cref="SteerException">They are wrong, or ask for what is not supported.</exception>
    public static AdapterConfig Of(ConfigFields fields) => new(fields);

    /// <summary>The rank of a module's change, and what it is multiplied by: alpha / rank, or alpha / sqrt(rank) (arXiv 2312.03732).</summary>
    /// <exception cref="SteerException">The rank is above <see cref="MaxRank"/>.</exception>
    public (int Rank, double Scale) For(string module)
    {
        double moduleRank = FirstMatch(_ranks, module) ?? _rank;
        if (moduleRank > MaxRank)
            throw FileError.At(File, $"gives {module} the rank {moduleRank:0}; at most {MaxRank} is supported.");
        double moduleAlpha = FirstMatch(_alphas, module) ?? _alpha;
        return ((int)moduleRank, moduleAlpha / (_rankStabilised ? Math.Sqrt(moduleRank) : moduleRank));
    }

    private static double? FirstMatch(List<(ModulePattern Pattern, double Value)> patterns, string module)
    {
        foreach ((ModulePattern pattern, double value) in patterns)
        {
            if (pattern.Matches(module))
                return value;
        }

        return null;
    }

    private static List<(ModulePattern Pattern, double Value)> Patterns(ConfigFields c, string name, PatternContext context) =>
        [.. (c.ObjectOrNull(name)?.NumberFields() ?? []).Select(f => (ModulePattern.Ending(context, name, f.Name), f.Value))];

    private static void CheckInitialisation(ConfigFields c)
    {
        if (c.Find("init_lora_weights") is JsonElement { ValueKind: not (JsonValueKind.True or JsonValueKind.False) }
            && c.TextOrNull("init_lora_weights") is string name && !PlainInitialisations.Contains(name))
        {
            throw c.Error("init_lora_weights",
                $"is {name}, which changes the base model too; save the adapter with path_initial_model_for_weight_conversion.");
        }
    }
}
