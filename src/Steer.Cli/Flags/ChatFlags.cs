using System.CommandLine;
using System.Text.Json;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Chat;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>Whether a prompt is what a user says to a chat model.</summary>
internal sealed class ChatFlags : FlagGroup
{
    private const string VariablesName = "--template-variable";

    private readonly Option<bool> _chat;
    private readonly Option<string?> _system;
    private readonly Option<string[]?> _variables;

    /// <param name="what">Subject of the description: what is said.</param>
    /// <param name="branches">Prompts run in several branches.</param>
    public ChatFlags(string what, bool branches = true)
        : base("Chat")
    {
        string more = branches
            ? " Negatives too are a user's message, in a conversation of their own. Default: the task's."
            : "";
        _chat = Add(Flag.Switch(
            "--chat",
            $"{what} what a user says, and the model answers: written by the chat template that comes with "
            + $"{(branches ? "the tokenizer given, else the expert, else the base" : "the tokenizer")}. It writes the special tokens too.{more}"));
        _system = Add(Flag.Text("--system", "TEXT", "With --chat: what the system says first."));
        _variables = Add(Flag.Texts(
            VariablesName, "NAME=VALUE",
            "With --chat: something else that the chat template may look at, such as enable_thinking=false; may be given several times. Values are "
            + $"JSON, or else text.{(branches ? " Those of the task stay where no flag names them." : "")}"));
    }

    /// <summary>How prompts are said; null where they are plain text.</summary>
    /// <exception cref="SteerException">There is a --system or a --template-variable without a chat, or one is none.</exception>
    public Conversation? Resolve(ParseResult parsed, GenerationTask? task = null)
    {
        string? system = parsed.GetValue(_system);
        if (parsed.GetValue(_chat) || task is { Chat: true })
            return new Conversation(system ?? task?.System, Variables(parsed, task));
        if (system is not null)
            throw new SteerException("--system has no effect without --chat: give both.");
        return parsed.Given(_variables) is null ? null : throw new SteerException($"{VariablesName} has no effect without --chat: give both.");
    }

    private Dictionary<string, JsonElement>? Variables(ParseResult parsed, GenerationTask? task)
    {
        var given = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (string text in parsed.Given(_variables) ?? [])
        {
            int equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
                throw new SteerException($"{VariablesName} is '{text}': give NAME=VALUE, such as enable_thinking=false.");
            string name = text[..equals];
            TemplateVariables.CheckName(name, VariablesName);
            if (!given.TryAdd(name, TemplateVariables.Value(text[(equals + 1)..])))
                throw new SteerException($"{VariablesName} names {name} twice: give it once.");
        }

        foreach (var (name, value) in task?.TemplateVariables ?? new Dictionary<string, JsonElement>())
            given.TryAdd(name, value);
        return given.Count > 0 ? given : null;
    }
}
