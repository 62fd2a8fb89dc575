using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Cli.Input;

/// <summary>What to load, once flags and task are weighed.</summary>
internal sealed record ModelChoice
{
    public GenerationTask? Task { get; init; }

    public required string Base { get; init; }

    public string? Expert { get; init; }

    public string? Tokenizer { get; init; }

    public string? AntiExpert { get; init; }

    public string? Amateur { get; init; }

    public string? Large { get; init; }

    /// <summary>Options of an engine with these models.</summary>
    public EngineOptions ToOptions() => new()
    {
        Base = Base,
        Expert = Expert,
        Tokenizer = Tokenizer,
        AntiExpert = AntiExpert,
        Amateur = Amateur,
        Large = Large,
    };
}
