using System.Text;
using System.Text.Json;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Chat;

/// <summary>Finds the chat templates that lie beside a tokenizer.</summary>
internal static class ChatTemplateFiles
{
    /// <summary>A template in a file of its own; it wins over those of the configuration, as in transformers.</summary>
    private const string JinjaFile = "chat_template.jinja";

    /// <summary>Further named templates, a file each.</summary>
    private const string MoreFolder = "additional_chat_templates";

    private const string ConfigFile = "tokenizer_config.json";

    /// <summary>The name of the template that is used where none is asked for.</summary>
    private const string Default = "default";

    /// <summary>The template of a folder, of the folder of a file, or within a GGUF file; null where there is none.</summary>
    /// <param name="path">Folder or file of a model or a tokenizer.</param>
    /// <param name="name">A named template, such as tool_use; null for the default.</param>
    /// <exception cref="SteerException">A file is damaged, or there are templates but none of that name.</exception>
    public static ChatTemplate? Find(string path, string? name)
    {
        // A GGUF file stands for itself, whatever lies beside it; in a folder, files of their own win over it.
        bool isFolder = Directory.Exists(path);
        if (isFolder && FindInFolder(path, name) is { } found)
            return found;
        return GgufFile.Find(path) is { } gguf ? FindInGguf(gguf, name) : isFolder ? null : FindInFolder(path, name);
    }

    private static ChatTemplate? FindInFolder(string path, string? name)
    {
        string folder = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        string configFile = Path.Combine(folder, ConfigFile);
        using var document = File.Exists(configFile) ? JsonPart.Parse(configFile, TokenizerFiles.ReadBytes(configFile), "JSON", out _) : null;
        JsonPart? config = document is null ? null : new JsonPart(configFile, document.RootElement);
        var templates = Templates(folder, config);
        return templates.Count == 0 ? null : Choose(folder, templates, name, Tokens(folder, config));
    }

    private static ChatTemplate? FindInGguf(string path, string? name)
    {
        const string key = "tokenizer.chat_template";
        using var file = GgufFile.Open(path);
        var metadata = file.Metadata;
        var templates = new SortedDictionary<string, (string Source, string File)>(StringComparer.Ordinal);
        if (metadata.TextOrNull(key) is { } source)
            templates[Default] = (source, path);
        foreach (string other in metadata.TextsOrNull("tokenizer.chat_templates") ?? [])
        {
            if (metadata.TextOrNull($"{key}.{other}") is { } named)
                templates[other] = (named, path);
        }

        if (templates.Count == 0)
            return null;
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        string[] vocabulary = metadata.TextsOrNull("tokenizer.ggml.tokens") ?? [];
        foreach (string kind in new[] { "bos", "eos" })
        {
            if (metadata.IntegerOrNull($"tokenizer.ggml.{kind}_token_id") is >= 0 and var id && id < vocabulary.Length)
                tokens[$"{kind}_token"] = vocabulary[id];
        }

        return Choose(path, templates, name, tokens);
    }

    private static ChatTemplate Choose(
        string place, SortedDictionary<string, (string Source, string File)> templates, string? name, IReadOnlyDictionary<string, string> tokens) =>
        templates.TryGetValue(name ?? Default, out var found)
            ? ChatTemplate.Parse(found.Source, found.File, tokens)
            : throw new SteerException($"{place}: has no chat template '{name ?? Default}', only {string.Join(", ", templates.Keys)}.");

    private static SortedDictionary<string, (string Source, string File)> Templates(string folder, JsonPart? config)
    {
        var templates = new SortedDictionary<string, (string, string)>(StringComparer.Ordinal);
        if (config?.Member("chat_template") is { } part)
        {
            if (part.Element.ValueKind == JsonValueKind.Array)
            {
                foreach (var item in part.Items())
                    templates[item.Required("name").Text()] = (item.Required("template").Text(), part.File);
            }
            else
            {
                templates[Default] = (part.Text(), part.File);
            }
        }

        if (File.Exists(Path.Combine(folder, JinjaFile)))
            templates[Default] = Read(Path.Combine(folder, JinjaFile));
        string more = Path.Combine(folder, MoreFolder);
        if (Directory.Exists(more))
        {
            foreach (string file in Directory.GetFiles(more, "*.jinja"))
                templates[Path.GetFileNameWithoutExtension(file)] = Read(file);
        }

        return templates;
    }

    private static (string Source, string File) Read(string file)
    {
        try
        {
            byte[] bytes = TokenizerFiles.ReadBytes(file);
            ReadOnlySpan<byte> text = bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? bytes.AsSpan(Encoding.UTF8.Preamble.Length) : bytes;
            return (new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(text), file);
        }
        catch (DecoderFallbackException e)
        {
            throw new SteerException($"{file}: is not UTF-8 text; the file is damaged", e);
        }
    }

    /// <summary>Special tokens by the names that templates know them by, such as bos_token.</summary>
    private static Dictionary<string, string> Tokens(string folder, JsonPart? config)
    {
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        string mapFile = Path.Combine(folder, "special_tokens_map.json");
        if (File.Exists(mapFile))
        {
            using var document = JsonPart.Parse(mapFile, TokenizerFiles.ReadBytes(mapFile), "JSON", out var map);
            Add(map, tokens);
        }

        if (config is not null)
            Add(config, tokens);
        return tokens;
    }

    private static void Add(JsonPart part, Dictionary<string, string> tokens)
    {
        foreach (var (name, value) in part.Members().Where(m => m.Name.EndsWith("_token", StringComparison.Ordinal)))
        {
            // A token is written as a text or as an object with its content.
            var text = value.ValueKind == JsonValueKind.Object && value.TryGetProperty("content", out var content) ? content : value;
            if (text.ValueKind == JsonValueKind.String)
                tokens[name] = new JsonPart(part.File, text).Text();
        }
    }
}
