using System.Text.Json;

namespace Steer.Runtime.Chat;

/// <summary>One message of a conversation, as a chat template sees it.</summary>
/// <param name="Role">system, user, assistant, tool, or what else the model's template knows.</param>
/// <param name="Content">The text.</param>
public sealed record ChatTurn(string Role, string Content)
{
    /// <summary>
    /// Further members that a template may look at, such as tool_calls, name or reasoning_content; none by default. A content among them, such as
    /// null or a list of parts, stands in place of the text.
    /// </summary>
    public IReadOnlyDictionary<string, JsonElement> Others { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The conversation that asks for an answer to one prompt.</summary>
    /// <param name="prompt">What the user says.</param>
    /// <param name="system">What the system says before it; null for nothing.</param>
    public static IReadOnlyList<ChatTurn> Ask(string prompt, string? system = null) =>
        system is null ? [new ChatTurn("user", prompt)] : [new ChatTurn("system", system), new ChatTurn("user", prompt)];
}
