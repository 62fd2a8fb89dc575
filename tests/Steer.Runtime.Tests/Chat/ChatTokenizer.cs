using System.Text.Json.Nodes;
using Steer.Runtime.Tests.Tokenization;

namespace Steer.Runtime.Tests.Chat;

/// <summary>A copy of the embedded pair's tokenizer with a chat template beside it.</summary>
internal sealed class ChatTokenizer : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    /// <param name="template">The template.</param>
    /// <param name="eosToken">Another end of a sequence than the tokenizer's own; null for its own.</param>
    public ChatTokenizer(string template, string? eosToken = null)
    {
        Template = template;
        string source = Path.Combine(GoldenFiles.Weights, "base");
        File.Copy(Path.Combine(source, "tokenizer.json"), _folder.File("tokenizer.json"));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "tokenizer_config.json")))!;
        if (eosToken is not null)
            config["eos_token"] = eosToken;
        _folder.Write("tokenizer_config.json", config.ToJsonString());
        _folder.Write("chat_template.jinja", template);
    }

    public string Template { get; }

    public string Folder => _folder.Path;

    public void Dispose() => _folder.Dispose();
}
