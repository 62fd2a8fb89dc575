using System.Text.Json;
using Microsoft.Extensions.AI;
using Steer.Runtime.Chat;

namespace Steer.Runtime.Hosting;

/// <summary>Messages of Microsoft.Extensions.AI as chat templates see them.</summary>
internal static class ChatMessages
{
    /// <summary>The conversation, with further instructions before what the system says.</summary>
    /// <exception cref="SteerException">A message holds what is no text, or there is none.</exception>
    public static IReadOnlyList<ChatTurn> Turns(IEnumerable<ChatMessage> messages, string? instructions)
    {
        var turns = messages.Select(Turn).ToList();
        if (!string.IsNullOrEmpty(instructions))
        {
            // Templates know one message of the system, the first.
            if (turns is [{ Role: "system" } system, ..])
                turns[0] = system with { Content = $"{instructions}\n{system.Content}" };
            else
                turns.Insert(0, new ChatTurn("system", instructions));
        }

        return turns.Count > 0 ? turns : throw new SteerException("The conversation is empty: give at least one message.");
    }

    private static ChatTurn Turn(ChatMessage message)
    {
        if (message.Contents.FirstOrDefault(c => c is not (TextContent or TextReasoningContent or UsageContent)) is { } other)
            throw new SteerException($"A message holds {other.GetType().Name}, and the models read text alone: give TextContent.");
        var others = new Dictionary<string, JsonElement>();
        void Add(string name, string? text)
        {
            if (!string.IsNullOrEmpty(text))
                others[name] = JsonSerializer.SerializeToElement(text);
        }

        Add("name", message.AuthorName);
        Add("reasoning_content", string.Concat(message.Contents.OfType<TextReasoningContent>().Select(c => c.Text)));
        return new ChatTurn(message.Role.Value, message.Text) { Others = others };
    }
}
