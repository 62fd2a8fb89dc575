using System.CommandLine;
using Steer.Cli.Input;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Flags;

/// <summary>Whether a prompt is what a user says to a chat model.</summary>
internal sealed class ChatFlags : FlagGroup
{
    private readonly Option<bool> _chat;
    private readonly Option<string?> _system;

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
    }

    /// <summary>How prompts are said; null where they are plain text.</summary>
    /// <exception cref="SteerException">There is a --system without a chat.</exception>
    public Conversation? Resolve(ParseResult parsed, GenerationTask? task = null)
    {
        string? system = parsed.GetValue(_system);
        if (parsed.GetValue(_chat) || task is { Chat: true })
            return new Conversation(system ?? task?.System);
        return system is null ? null : throw new SteerException("--system has no effect without --chat: give both.");
    }
}
