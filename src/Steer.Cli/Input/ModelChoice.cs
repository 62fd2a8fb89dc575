using Steer.Runtime;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Cli.Input;

/// <summary>What to load, once flags and task are weighed.</summary>
internal sealed record ModelChoice
{
    public GenerationTask? Task { get; init; }

    /// <summary>The task of a command that cannot do without one.</summary>
    /// <exception cref="SteerException">None was given.</exception>
    public GenerationTask RequiredTask => Task
        ?? throw new SteerException("There is no task: give --task with a name or the path of a task.json, which needs no more than a prompt.");

    public required string Base { get; init; }

    public string? Expert { get; init; }

    /// <summary>Experts of the task's labels that are not <see cref="Expert"/>, each once.</summary>
    public IReadOnlyList<string> MoreExperts { get; init; } = [];

    /// <summary>There is an expert of any kind.</summary>
    public bool HasExpert => Expert is not null || MoreExperts.Count > 0;

    public string? Tokenizer { get; init; }

    public string? AntiExpert { get; init; }

    public string? Amateur { get; init; }

    public string? Large { get; init; }

    /// <summary>What a job is made from, and where each file or folder lies; null for what there is not.</summary>
    /// <param name="real">Real examples; null for none, or where the caller names their files.</param>
    public IReadOnlyList<(string Name, string? Path)> Files(string? real) =>
    [
        ("task", Task?.File), ("real", real), ("base", Base), ("expert", Expert), ("tokenizer", Tokenizer),
        ("anti_expert", AntiExpert), ("amateur", Amateur), ("large", Large),
        .. MoreExperts.Select((path, i) => ($"expert_{i + 1}", (string?)path)),
    ];

    /// <summary>Place of a label's expert: 0 for <see cref="Expert"/>, i for the i-th of <see cref="MoreExperts"/> (from 1).</summary>
    public int ExpertOf(TaskLabel label) => label.Expert is { } path ? 1 + MoreExperts.ToList().IndexOf(path) : 0;

    /// <summary>Options of an engine with these models.</summary>
    public EngineOptions ToOptions() => new()
    {
        Base = Base,
        Expert = Expert,
        MoreExperts = MoreExperts,
        Tokenizer = Tokenizer,
        AntiExpert = AntiExpert,
        Amateur = Amateur,
        Large = Large,
    };
}
