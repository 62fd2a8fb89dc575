using System.Text.Json;
using Steer.Runtime.Chat.Jinja;

namespace Steer.Runtime.Chat;

/// <summary>
/// How a model wants a conversation written: the Jinja template that comes with its tokenizer, rendered as transformers' apply_chat_template does.
/// Parsed once; safe for several threads at once.
/// </summary>
/// <remarks>
/// Templates are taken for hostile: they see nothing but what they are given and the date, change nothing, and the steps, the depth and the
/// text of a rendering are bounded. Not supported, with one line that says so: recursive loops, and the blocks that join several files.
/// </remarks>
public sealed class ChatTemplate
{
    /// <summary>Longest template that is parsed, in chars; real ones stay under 30,000.</summary>
    private const int MaxSource = 1 << 20;

    private readonly IReadOnlyList<Statement> _statements;
    private readonly IReadOnlyDictionary<string, string> _tokens;

    private ChatTemplate(string source, string file, IReadOnlyList<Statement> statements, IReadOnlyDictionary<string, string> tokens)
    {
        (Source, File) = (source, file);
        (_statements, _tokens) = (statements, tokens);
    }

    /// <summary>The template as it was given.</summary>
    public string Source { get; }

    /// <summary>Where it came from, as errors name it.</summary>
    public string File { get; }

    /// <summary>The tokenizer's end-of-sequence token, which ends an answer; null where it has none.</summary>
    public string? EosToken => _tokens.GetValueOrDefault("eos_token");

    private TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>The template with a clock that tells it the date, instead of the machine's.</summary>
    internal ChatTemplate At(TimeProvider clock) => new(Source, File, _statements, _tokens) { Clock = clock };

    /// <summary>The template for which it is always the beginning of a day; null for the machine's date.</summary>
    internal ChatTemplate On(DateOnly? day) => day is { } date ? At(new FixedDate(date)) : this;

    /// <summary>
    /// The template that comes with a model: chat_template.jinja, else the chat_template of tokenizer_config.json, else that of a GGUF file; null
    /// where there is none.
    /// </summary>
    /// <param name="path">The model's or the tokenizer's folder, or a file in it.</param>
    /// <param name="name">One of several templates, such as tool_use; null for the default.</param>
    /// <exception cref="SteerException">A file is damaged, is no template, or there are templates but none of that name.</exception>
    public static ChatTemplate? Find(string path, string? name = null) => ChatTemplateFiles.Find(path, name);

    /// <summary>Parses a template.</summary>
    /// <param name="source">The template.</param>
    /// <param name="file">Where it came from, for errors.</param>
    /// <param name="tokens">Texts of the tokenizer's special tokens, such as bos_token and eos_token; null for none.</param>
    /// <exception cref="SteerException">It is no template, or uses what is not supported; names the file and the line.</exception>
    public static ChatTemplate Parse(string source, string file, IReadOnlyDictionary<string, string>? tokens = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Length > MaxSource)
            throw new SteerException($"{file}: the chat template has {source.Length} characters: at most {MaxSource} are read.");
        try
        {
            return new ChatTemplate(source, file, StatementParser.Parse(source), tokens ?? new Dictionary<string, string>());
        }
        catch (TemplateFault fault)
        {
            throw Error(file, fault);
        }
    }

    /// <summary>Writes a conversation as the model was trained to read it; the text holds the special tokens that the model wants, BOS too.</summary>
    /// <param name="messages">The conversation, oldest first.</param>
    /// <param name="addGenerationPrompt">Ends with what an answer of the assistant begins with, so that a model goes on with one.</param>
    /// <param name="tools">JSON schemas of functions, for templates that tell the model of them; null for none.</param>
    /// <param name="variables">What else the template may look at, such as enable_thinking; null for none. They win over the special tokens.</param>
    /// <exception cref="SteerException">
    /// The template refuses the messages (its own words are shown), or something in it is wrong; names the file and the line.
    /// </exception>
    public string Render(
        IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt = true, IReadOnlyList<JsonElement>? tools = null,
        IReadOnlyDictionary<string, JsonElement>? variables = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        try
        {
            var values = new List<KeyValuePair<string, object?>>();
            void Add(string name, object? value) => values.Add(new(name, value));
            Add("documents", null);
            foreach (var (name, token) in _tokens)
                Add(name, token);
            foreach (var (name, value) in variables ?? new Dictionary<string, JsonElement>())
                Add(name, TemplateValues.Of(value));
            Add("messages", new ListValue([.. messages.Select(TemplateValues.Of)]));
            Add("add_generation_prompt", addGenerationPrompt);
            Add("tools", tools is null ? null : new ListValue([.. tools.Select(t => TemplateValues.Of(t))]));
            return Renderer.Render(_statements, values, Clock);
        }
        catch (TemplateFault fault)
        {
            throw Error(File, fault);
        }
    }

    private static SteerException Error(string file, TemplateFault fault)
    {
        string text = fault.Message.ReplaceLineEndings(" ");
        string shown = text.Length > 300 ? text[..300] + "..." : text;
        return new SteerException(
            fault.IsRaised
                ? $"{file}: the chat template (line {fault.Line}) refuses the messages: {shown.TrimEnd('.')}."
                : $"{file}: chat template, line {fault.Line}: {shown}.",
            fault);
    }

    private sealed class FixedDate(DateOnly day) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(day, TimeOnly.MinValue, TimeSpan.Zero);
    }
}
