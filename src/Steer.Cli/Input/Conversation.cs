using Steer.Runtime.Chat;

namespace Steer.Cli.Input;

/// <summary>Prompts are what a user says, after what the system says.</summary>
/// <param name="System">Null for nothing.</param>
internal sealed record Conversation(string? System)
{
    /// <summary>The messages of a prompt.</summary>
    public IReadOnlyList<ChatTurn> Ask(string prompt) => ChatTurn.Ask(prompt, System);
}
