using System.Text.Json;
using Steer.Runtime.Chat;

namespace Steer.Runtime.Tests.Chat;

/// <summary>Chat templates render to the character as transformers and jinja2 render them.</summary>
public sealed class ChatGoldenTests
{
    private static readonly JsonElement Templates = Read("chat/chat_templates.json");
    private static readonly JsonElement Jinja = Read("chat/jinja.json");

    [Fact]
    public void Every_stored_conversation_is_written_as_transformers_writes_it()
    {
        var cases = Templates.GetProperty("cases").EnumerateArray().ToList();
        Assert.Equal(90, cases.Count);
        var tokens = new Dictionary<string, string> { ["bos_token"] = "<s>", ["eos_token"] = "</s>" };
        foreach (var item in cases)
        {
            string name = item.GetProperty("template").GetString()!;
            var template = ChatTemplate.Parse(Templates.GetProperty("templates").GetProperty(name).GetString()!, name, tokens);
            IReadOnlyList<JsonElement>? tools = item.TryGetProperty("tools", out var given) ? [.. given.EnumerateArray()] : null;
            var variables = item.EnumerateObject().Where(p => p.Name == "enable_thinking").ToDictionary(p => p.Name, p => p.Value);
            string Render() => template.Render(Turns(item), item.GetProperty("add_generation_prompt").GetBoolean(), tools, variables);
            if (!item.TryGetProperty("error", out var error))
                Assert.Equal(item.GetProperty("rendered").GetString(), Render());
            else
                Assert.EndsWith($"the messages: {error.GetString()}.", Assert.Throws<SteerException>(Render).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Every_stored_expression_and_block_is_written_as_jinja_writes_it()
    {
        var variables = Jinja.GetProperty("variables").EnumerateObject().ToDictionary(p => p.Name, p => p.Value);
        JsonElement[] tools = [.. Jinja.GetProperty("tools").EnumerateArray()];
        var wrong = new List<string>();
        foreach (var item in Jinja.GetProperty("cases").EnumerateArray())
        {
            string source = item.GetProperty("template").GetString()!;
            string? wanted = item.TryGetProperty("rendered", out var rendered) ? rendered.GetString() : null;
            var given = item.TryGetProperty("tools", out _) ? tools : null;
            string? got = null;
            try
            {
                got = ChatTemplate.Parse(source, "t").Render(Turns(Jinja), tools: given, variables: variables);
            }
            catch (SteerException)
            {
            }

            if (got != wanted)
                wrong.Add($"{source}: {got ?? "refused"} instead of {wanted ?? "refusal"}");
        }

        Assert.Empty(wrong);
    }

    private static ChatTurn[] Turns(JsonElement item) =>
    [
        .. item.GetProperty("messages").EnumerateArray()
            .Select(m => new ChatTurn(m.GetProperty("role").GetString()!, m.GetProperty("content").GetString()!)),
    ];

    private static JsonElement Read(string name) => JsonDocument.Parse(File.ReadAllText(GoldenFiles.Find(name))).RootElement;
}
