namespace Steer.Runtime.Checkpoints;

/// <summary>Sampling parameters that a model's makers suggest in generation_config.json; null where they say nothing.</summary>
public sealed record GenerationDefaults
{
    /// <summary>False asks for greedy decoding.</summary>
    public bool? DoSample { get; init; }

    /// <summary>Divides scores.</summary>
    public float? Temperature { get; init; }

    /// <summary>Most tokens that stay.</summary>
    public int? TopK { get; init; }

    /// <summary>Probability that the likeliest tokens reach together.</summary>
    public float? TopP { get; init; }

    /// <summary>Least probability, as a share of the best token's.</summary>
    public float? MinP { get; init; }

    /// <summary>Mass of the locally typical tokens.</summary>
    public float? TypicalP { get; init; }

    /// <summary>Least probability.</summary>
    public float? EpsilonCutoff { get; init; }

    /// <summary>Entropy-dependent least probability.</summary>
    public float? EtaCutoff { get; init; }

    /// <summary>Above 1 makes tokens that already occur less likely.</summary>
    public float? RepetitionPenalty { get; init; }

    /// <summary>Most tokens to generate.</summary>
    public int? MaxNewTokens { get; init; }

    internal static GenerationDefaults Read(ConfigFields c) => new()
    {
        DoSample = c.Has("do_sample") ? c.Bool("do_sample", false) : null,
        Temperature = c.FloatOrNull("temperature"),
        TopK = c.IntOrNull("top_k"),
        TopP = c.FloatOrNull("top_p"),
        MinP = c.FloatOrNull("min_p"),
        TypicalP = c.FloatOrNull("typical_p"),
        EpsilonCutoff = c.FloatOrNull("epsilon_cutoff"),
        EtaCutoff = c.FloatOrNull("eta_cutoff"),
        RepetitionPenalty = c.FloatOrNull("repetition_penalty"),
        MaxNewTokens = c.IntOrNull("max_new_tokens"),
    };
}
