using System.Text.Json;
using Steer.Runtime.Chat.Jinja;

namespace Steer.Runtime.Chat;

/// <summary>What a template is given, as values of its language.</summary>
internal static class TemplateValues
{
    /// <summary>A message: a dictionary of its role, its content and its other members.</summary>
    public static object Of(ChatTurn turn)
    {
        var dict = new DictValue { ["role"] = turn.Role, ["content"] = turn.Content };
        foreach (var (name, value) in turn.Others)
            dict[name] = Of(value);
        return dict;
    }

    /// <summary>A JSON value. Whole numbers that 64 bits do not hold become reals. Its depth is bounded by whoever parsed it.</summary>
    public static object? Of(JsonElement json)
    {
        try
        {
            return Convert(json);
        }
        catch (InvalidOperationException)
        {
            throw new TemplateFault("a text that the template is given is not valid Unicode");
        }
    }

    private static object? Convert(JsonElement json)
    {
        switch (json.ValueKind)
        {
            case JsonValueKind.Object:
                var dict = new DictValue();
                foreach (var member in json.EnumerateObject())
                    dict[member.Name] = Convert(member.Value);
                return dict;
            case JsonValueKind.Array:
                return new ListValue([.. json.EnumerateArray().Select(Convert)]);
            case JsonValueKind.String:
                return json.GetString();
            case JsonValueKind.Number:
                return json.TryGetInt64(out long whole) && !json.GetRawText().AsSpan().ContainsAny('.', 'e', 'E') ? whole : (object)json.GetDouble();
            case JsonValueKind.True or JsonValueKind.False:
                return json.ValueKind == JsonValueKind.True;
            default:
                return null;
        }
    }
}
