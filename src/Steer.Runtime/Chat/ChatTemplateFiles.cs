using System.Text;
using System.Text.Json;
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

    /// <summary>The template of a folder, or of the folder of a file; null where there is none.</summary>
    /// <param name="path">Folder or file of a tokenizer.</param>
    /// <param name="name">A named template, such as tool_use; null for the default.</param>
    /// <exception cref="SteerException">A file is damaged, or there are templates but none of that name.</exception>
    public static ChatTemplate? Find(string path, string? name)
    {
        string folder = Directory.Exists(path) ? path : Path.GetDirectoryName(Path.GetFullPath(path))!;
        string configFile = Path.Combine(folder, ConfigFile);
        using var document = File.Exists(configFile) ? JsonPart.Parse(configFile, TokenizerFiles.ReadBytes(configFile), "JSON", out var root) : null;
        JsonPart? config = document is null ? null : new JsonPart(configFile, document.RootElement);
        var templates = Templates(folder, config);
        if (templates.Count == 0)
            return null;
        if (!templates.TryGetValue(name ?? Default, out var found))
            throw new SteerException($"{folder}: has no chat template '{name ?? Default}', only {string.Join(", ", templates.Keys)}.");
        return ChatTemplate.Parse(found.Source, found.File, Tokens(folder, config));
    }

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
