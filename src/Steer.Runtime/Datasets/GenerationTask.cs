using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Steer.Runtime.Datasets;

/// <summary>
/// What to make examples of: a prompt, real examples, a base with its expert, and the guidance that suits them. Read from task.json.
/// </summary>
public sealed record GenerationTask
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        ReadCommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        RespectNullableAnnotations = true,
        MaxDepth = 16,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver(),
    };

    /// <summary>Short name.</summary>
    public string Name { get; init; } = "";

    /// <summary>One line about it.</summary>
    public string Description { get; init; } = "";

    /// <summary>What the model continues.</summary>
    public required string Prompt { get; init; }

    /// <summary>Prompts, those of labels too, are what a user says, written by the model's own chat template; texts are the answers.</summary>
    public bool Chat { get; init; }

    /// <summary><see cref="Chat"/>: what the system says before each prompt; null for nothing.</summary>
    public string? System { get; init; }

    /// <summary><see cref="Chat"/>: what else the chat template may look at, such as enable_thinking; null for nothing.</summary>
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>What stands between the prompt and a text; cut off the results.</summary>
    public string CompletionPrefix { get; init; } = "";

    /// <summary>Texts that end a completion.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Folder of the base, relative to the task's file; null for the one given elsewhere.</summary>
    public string? Base { get; init; }

    /// <summary>Folder of the expert, likewise.</summary>
    public string? Expert { get; init; }

    /// <summary>Real examples (JSONL with a text field), relative to the task's file: the negatives to begin with.</summary>
    public string? Real { get; init; }

    /// <summary>Real examples that no model was trained on, likewise.</summary>
    public string? Heldout { get; init; }

    /// <summary>Most tokens of a text; null for what the window leaves and the cache holds.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Negatives drawn for each text.</summary>
    public int Negatives { get; init; } = 10;

    /// <summary>Strength of the expert against the base.</summary>
    public float? Gamma { get; init; }

    /// <summary>Strength of the negatives.</summary>
    public float? Eta { get; init; }

    /// <summary>Plausibility mask.</summary>
    public float? Alpha { get; init; }

    /// <summary>Regular expression that a text must match, with a named group for each of its fields; null for any text.</summary>
    public string? Pattern { get; init; }

    /// <summary>JSON schema that a text must match; its members become fields. None for any text.</summary>
    public JsonElement? Schema { get; init; }

    /// <summary>Kinds of examples, each with a prompt of its own; none where all are of one kind.</summary>
    public IReadOnlyList<TaskLabel> Labels { get; init; } = [];

    /// <summary>Members of the file that say nothing to the program.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement> Others { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Names of the members, as the file has them.</summary>
    [JsonIgnore]
    public static IReadOnlyList<string> Members { get; } = Names(typeof(GenerationTask));

    /// <summary>The file that the task was read from.</summary>
    [JsonIgnore]
    public string File { get; private init; } = "";

    /// <summary>Reads a task.json, or the one in a folder.</summary>
    /// <exception cref="SteerException">The file is missing or is no task.</exception>
    public static GenerationTask Load(string path)
    {
        string file = Directory.Exists(path) ? Path.Combine(path, "task.json") : path;
        try
        {
            using var stream = GitLfs.OpenRead(file);
            var task = JsonSerializer.Deserialize<GenerationTask>(stream, Format)
                ?? throw new SteerException($"{file}: holds null instead of a task. Give an object with at least a prompt.");
            if (task.Prompt.Length == 0)
                throw new SteerException($"{file}: the prompt is empty. Give text to continue.");
            if (task.System is not null && !task.Chat)
                throw new SteerException($"{file}: system has no effect without \"chat\": true. Give both.");
            if (task.Stop.Any(string.IsNullOrEmpty))
                throw new SteerException($"{file}: a stop text is empty. Give at least one character, or leave it out.");
            if (task.TemplateVariables is not null && !task.Chat)
                throw new SteerException($"{file}: template_variables has no effect without \"chat\": true. Give both.");
            foreach (string name in task.TemplateVariables?.Keys ?? [])
                Steer.Runtime.Chat.TemplateVariables.CheckName(name, $"{file}: template_variables");
            CheckLabels(file, task.Labels);
            if (task.Negatives < 0)
                throw new SteerException($"{file}: negatives is {task.Negatives}; give at least 0.");
            string full = Path.GetFullPath(file);
            return task with
            {
                File = full,
                Base = Resolve(full, task.Base),
                Expert = Resolve(full, task.Expert),
                Real = Resolve(full, task.Real),
                Heldout = Resolve(full, task.Heldout),
                Labels = [.. task.Labels.Select(l => l with { Expert = Resolve(full, l.Expert), Real = Resolve(full, l.Real) })],
            };
        }
        catch (JsonException e)
        {
            throw TaskFault.Describe(file, e, Format);
        }
        catch (ArgumentException e)
        {
            // A path that it names holds a character that none may hold.
            throw new SteerException($"{file}: names a path that is none ({e.Message}). Correct it.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unreadable(file, e, "Give the path of a task.json.");
        }
    }

    internal static string[] Names(Type type) => [.. Format.GetTypeInfo(type).Properties.Where(p => !p.IsExtensionData).Select(p => p.Name)];

    private static void CheckLabels(string file, IReadOnlyList<TaskLabel> labels)
    {
        if (labels.Any(l => l is null || string.IsNullOrWhiteSpace(l.Name) || string.IsNullOrEmpty(l.Prompt)))
            throw new SteerException($"{file}: a label has no name or no prompt. Give both to each.");
        if (labels.Select(l => l.Name).Distinct(StringComparer.Ordinal).Count() < labels.Count)
            throw new SteerException($"{file}: two labels have the same name. Give each its own.");
        if (labels.FirstOrDefault(l => !(l.Share > 0 && double.IsFinite(l.Share))) is { } label)
        {
            throw new SteerException(FormattableString.Invariant(
                $"{file}: the share of label {label.Name} is {label.Share}; give a number above 0."));
        }
    }

    private static string? Resolve(string file, string? path) =>
        path is null ? null : Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, path));
}

/// <summary>One kind of examples of a task, such as a class that a classifier is to learn.</summary>
public sealed record TaskLabel
{
    /// <summary>As lines of examples name it.</summary>
    public required string Name { get; init; }

    /// <summary>What the model continues to make one.</summary>
    public required string Prompt { get; init; }

    /// <summary>Its part of the examples, in relation to the shares of the others.</summary>
    public double Share { get; init; } = 1;

    /// <summary>Folder of its own expert, relative to the task's file; null for the task's.</summary>
    public string? Expert { get; init; }

    /// <summary>Real examples of its own, likewise; null for those of the task.</summary>
    public string? Real { get; init; }

    /// <summary>Members that say nothing to the program.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement> Others { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Names of the members, as the file has them.</summary>
    [JsonIgnore]
    public static IReadOnlyList<string> Members { get; } = GenerationTask.Names(typeof(TaskLabel));
}
