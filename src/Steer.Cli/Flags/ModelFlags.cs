using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>Which models are loaded.</summary>
internal sealed class ModelFlags : FlagGroup
{
    private readonly Option<string?> _task;
    private readonly Option<string?> _base;
    private readonly Option<string?> _expert;
    private readonly Option<string?> _tokenizer;
    private readonly Option<string?> _antiExpert;
    private readonly Option<string?> _amateur;
    private readonly Option<string?> _large;

    public ModelFlags()
        : base("Task and models")
    {
        _task = Add(Flag.Path(
            "--task", "NAME|FILE",
            "A task that comes with the program (astronomy, comments, commonsense, topics), or a task.json: prompt, stops, real examples, "
            + "models, gamma and eta. Flags win over it."));
        _base = Add(Flag.Path(
            "--base", "PATH",
            "Base model: a Hugging Face folder, a .gguf file (the first where there are several parts) or a llama2.c file. Default: the task's, or "
            + "the small one that comes with the program."));
        _expert = Add(Flag.Path(
            "--expert", "PATH",
            "Expert: a LoRA adapter, as a folder or a .gguf file, or a whole checkpoint. Default: the task's, unless --base is given."));
        _tokenizer = Add(Flag.Path("--tokenizer", "PATH", "Tokenizer folder or file. Default: the base's."));
        _antiExpert = Add(Flag.Path("--anti-expert", "PATH", "The model to move away from (preset dexperts)."));
        _amateur = Add(Flag.Path("--amateur", "PATH", "The weaker model (presets contrastive, contrastive-beta). Default: the base."));
        _large = Add(Flag.Path("--large", "PATH", "The large model that base and expert steer (preset proxy)."));
    }

    /// <summary>A base or an expert was given, so that those of the task do not count.</summary>
    public bool GivesModels(ParseResult parsed) => (parsed.GetValue(_base) ?? parsed.GetValue(_expert)) is not null;

    /// <summary>
    /// The models with the experts that labels of the task bring, unless a base or an expert was given: they are meant for the task's.
    /// </summary>
    public ModelChoice WithExpertsOfLabels(ParseResult parsed, ModelChoice models)
    {
        if (GivesModels(parsed))
            return models;
        var experts = (models.Task?.Labels ?? []).Select(l => l.Expert).OfType<string>();
        return models with { MoreExperts = [.. experts.Where(e => e != models.Expert).Distinct()] };
    }

    /// <summary>Whether any of them was given.</summary>
    public bool AreGiven(ParseResult parsed) => Options.Any(o => parsed.GetResult(o) is { Implicit: false });

    /// <summary>Finds the task and the paths of its models.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="folder">A base that was given in another way than by --base; or null.</param>
    /// <exception cref="SteerException">There is no such task, no base, or one in both ways.</exception>
    public ModelChoice Resolve(ParseResult parsed, string? folder = null)
    {
        if (folder is not null && parsed.GetValue(_base) is not null)
            throw new SteerException($"Both {folder} and --base are given: give one of them.");
        var task = parsed.GetValue(_task) is { } name ? Tasks.Find(name) : null;
        string? givenBase = folder ?? parsed.GetValue(_base);
        return new ModelChoice
        {
            Task = task,
            Base = givenBase ?? task?.Base ?? EmbeddedWeights.BaseOr("--base PATH"),
            Expert = parsed.GetValue(_expert) ?? (givenBase is null ? task?.Expert : null),
            Tokenizer = parsed.GetValue(_tokenizer),
            AntiExpert = parsed.GetValue(_antiExpert),
            Amateur = parsed.GetValue(_amateur),
            Large = parsed.GetValue(_large),
        };
    }
}
