using System.Text.Json;
using Steer.Runtime.Chat;

namespace Steer.Cli.Input;

/// <summary>Prompts are what a user says, after what the system says.</summary>
/// <param name="System">Null for nothing.</param>
/// <param name="Variables">What else the chat template may look at; null for nothing.</param>
internal sealed record Conversation(string? System, IReadOnlyDictionary<string, JsonElement>? Variables)
{
    /// <summary>The messages of a prompt.</summary>
    public IReadOnlyList<ChatTurn> Ask(string prompt) => ChatTurn.Ask(prompt, System);
}
