using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>What texts begin with.</summary>
internal sealed class PromptFlags : FlagGroup
{
    private readonly Option<string[]?> _prompt;
    private readonly Option<string?> _file;
    private readonly Option<int[]?> _ids;
    private readonly Option<string?> _context;

    /// <param name="several">Several prompts may be given; else one.</param>
    public PromptFlags(bool several)
        : base("Prompt")
    {
        _prompt = Add(Flag.Texts(
            "--prompt", "TEXT",
            (several ? "Text to continue; may be given again." : "Text that comes before those scored.") + " Default: the task's."));
        _file = Flag.Path(
            "--prompt-file", "FILE",
            "Prompts: JSONL with a field \"prompt\" or \"text\", or plain text with one on each line; - for standard input, which "
            + "is also read when piped and nothing else is given.");
        if (several)
            Add(_file);
        _ids = Add(Flag.Ids("--prompt-ids", "The prompt as token ids."));
        _context = Flag.Path("--context", "FILE", "Text that stands before the prompt in the branch with the context (preset context-aware).");
        if (several)
            Add(_context);
    }

    /// <summary>Text of --context, or null.</summary>
    /// <exception cref="SteerException">The file cannot be read.</exception>
    public string? Context(ParseResult parsed)
    {
        if (parsed.GetValue(_context) is not { } path)
            return null;
        string text = TextInput.ReadWhole(path);
        return string.IsNullOrWhiteSpace(text) ? throw new SteerException($"{path}: holds no text. Give a file with a context.") : text;
    }

    /// <summary>The prompt that was given or is the task's; null for none.</summary>
    /// <exception cref="SteerException">Both text and ids were given, or several texts.</exception>
    public Prompt? Single(ParseResult parsed, GenerationTask? task)
    {
        var prompts = Given(parsed, task);
        return prompts.Count <= 1 ? prompts.FirstOrDefault() : throw new SteerException("--prompt is given more than once: give one.");
    }

    /// <summary>The prompts to continue.</summary>
    /// <exception cref="SteerException">There are none, or too many sources of them.</exception>
    public async Task<IReadOnlyList<Prompt>> AllAsync(ParseResult parsed, GenerationTask? task, Terminal terminal, CancellationToken stop)
    {
        string? file = parsed.GetValue(_file);
        if (file is not null && (parsed.Given(_prompt) is not null || parsed.Given(_ids) is not null))
            throw new SteerException("--prompt-file is given beside --prompt or --prompt-ids: give one of them.");
        var prompts = file is null ? Given(parsed, task) : [];
        if (prompts.Count > 0)
            return prompts;
        if (file is null && !terminal.InputIsRedirected)
        {
            string tasks = Tasks.Names.Count > 0 ? $" ({string.Join(", ", Tasks.Names)})" : "";
            throw new SteerException(
                $"There is nothing to continue: give --task NAME{tasks}, --prompt TEXT or --prompt-file FILE, or pipe text in. "
                + "See steer generate --help.");
        }

        var (texts, name) = file is null or TextInput.StandardInput
            ? (await TextInput.ReadStandardInputAsync(terminal, stop, "prompt", "text").ConfigureAwait(false), TextInput.StandardInputName)
            : (TextFile.Read(file, "prompt", "text"), file);
        if (texts.Count == 0) // of a file, that is told when it is read
            throw new SteerException($"{name}: holds no prompt. Give a line of text for each, or --task NAME, or --prompt TEXT.");
        return [.. texts.Select((text, i) => new Prompt(text, null, $"{name}, prompt {i + 1}"))];
    }

    private IReadOnlyList<Prompt> Given(ParseResult parsed, GenerationTask? task)
    {
        var texts = parsed.Given(_prompt);
        var ids = parsed.Given(_ids);
        if (texts is not null && ids is not null)
            throw new SteerException("Both --prompt and --prompt-ids are given: give one of them.");
        if (ids is not null)
            return [new Prompt(null, ids, "--prompt-ids")];
        if (texts is not null)
            return [.. texts.Select((text, i) => new Prompt(text, null, texts.Length == 1 ? "--prompt" : $"--prompt {i + 1}"))];
        return task is null ? [] : [new Prompt(task.Prompt, null, task.File)];
    }
}
