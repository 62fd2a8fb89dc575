using System.Text.Json;

namespace Steer.Runtime.Tokenization;

/// <summary>What tokenizer_config.json and special_tokens_map.json say beside a vocabulary; all of it may be missing.</summary>
internal sealed record TokenizerConfig
{
    /// <summary>Begins a sequence.</summary>
    public string? BosToken { get; private init; }

    /// <summary>Ends a sequence.</summary>
    public string? EosToken { get; private init; }

    /// <summary>Stands for unknown text.</summary>
    public string? UnknownToken { get; private init; }

    /// <summary>Fills up a batch.</summary>
    public string? PadToken { get; private init; }

    /// <summary>BOS goes before a text.</summary>
    public bool? AddBosToken { get; private init; }

    /// <summary>EOS goes after a text.</summary>
    public bool? AddEosToken { get; private init; }

    /// <summary>All tokens it names.</summary>
    public IEnumerable<string> SpecialTokens => new[] { BosToken, EosToken, UnknownToken, PadToken }.OfType<string>();

    /// <summary>Reads the files of a folder that are there; tokenizer_config.json goes first.</summary>
    /// <exception cref="SteerException">One of them is damaged.</exception>
    public static TokenizerConfig Read(string folder)
    {
        var (config, map) = (ReadFile(Path.Combine(folder, "tokenizer_config.json")), ReadFile(Path.Combine(folder, "special_tokens_map.json")));
        return config with
        {
            BosToken = config.BosToken ?? map.BosToken,
            EosToken = config.EosToken ?? map.EosToken,
            UnknownToken = config.UnknownToken ?? map.UnknownToken,
            PadToken = config.PadToken ?? map.PadToken,
        };
    }

    private static TokenizerConfig ReadFile(string file)
    {
        if (!File.Exists(file))
            return new TokenizerConfig();
        using var document = JsonPart.Parse(file, TokenizerFiles.ReadBytes(file), "JSON", out var root);
        return new TokenizerConfig
        {
            BosToken = TokenOf(root.Member("bos_token")),
            EosToken = TokenOf(root.Member("eos_token")),
            UnknownToken = TokenOf(root.Member("unk_token")),
            PadToken = TokenOf(root.Member("pad_token")),
            AddBosToken = root.Member("add_bos_token") is null ? null : root.Flag("add_bos_token", false),
            AddEosToken = root.Member("add_eos_token") is null ? null : root.Flag("add_eos_token", false),
        };
    }

    /// <summary>A token is written as a text or as an object with its content.</summary>
    private static string? TokenOf(JsonPart? part) =>
        part is not { } token ? null : token.Element.ValueKind == JsonValueKind.Object ? token.Required("content").Text() : token.Text();
}
