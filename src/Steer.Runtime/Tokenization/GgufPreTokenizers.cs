using System.Text;
using System.Text.Json.Nodes;

namespace Steer.Runtime.Tokenization;

/// <summary>How the texts of a byte-level vocabulary are prepared and split.</summary>
/// <param name="Normalizer">As in tokenizer.json; null for none.</param>
/// <param name="PreTokenizer">As in tokenizer.json.</param>
/// <param name="IgnoreMerges">A word that is a token is that token.</param>
/// <param name="AddsBos">BOS goes before a text where the file does not say.</param>
internal sealed record GgufPreTokenizer(string? Normalizer, string PreTokenizer, bool IgnoreMerges = false, bool AddsBos = false);

/// <summary>
/// The names that llama.cpp's converter gives to ways of splitting texts (tokenizer.ggml.pre), each with the components that tokenizer.json has in
/// the models that it stands for, so that one code reads both, and a GGUF file and a folder can be told to be the same.
/// </summary>
internal static class GgufPreTokenizers
{
    private const string Nfc = """{"type": "NFC"}""";

    private const string ByteLevelWithWords = """{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}""";

    private const string ByteLevel = """{"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}""";

    private const string EachDigit = """{"type": "Digits", "individual_digits": true}""";

    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

    private const string UpperThenLower =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+";

    private const string UpperPerhapsLower =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*";

    private static readonly GgufPreTokenizer Gpt2 = new(null, Sequence(ByteLevelWithWords));

    private static readonly GgufPreTokenizer Digits = new(null, Sequence(EachDigit, ByteLevelWithWords));

    private static readonly GgufPreTokenizer Llama3 = new(
        null,
        Sequence(Split(Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), ByteLevel));

    private static readonly GgufPreTokenizer Llama3Whole = Llama3 with { IgnoreMerges = true, AddsBos = true };

    private static readonly GgufPreTokenizer EachDigitAlone = new(
        null, Sequence(Split(Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), ByteLevel));

    private static readonly GgufPreTokenizer Tekken = new(
        null,
        Sequence(Split($@"{UpperThenLower}|{UpperPerhapsLower}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"), ByteLevel),
        IgnoreMerges: true,
        AddsBos: true);

    private static readonly GgufPreTokenizer Gpt4O = new(null, Sequence(
        Split($@"{UpperThenLower}{Contractions}?|{UpperPerhapsLower}{Contractions}?|\p{{N}}{{1,3}}|"
            + @" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        ByteLevel));

    private static readonly GgufPreTokenizer Bloom = new(null, Sequence(Split(@" ?[^(\s|[.,!?…。，、।۔،])]+"), ByteLevel));

    private static readonly GgufPreTokenizer Falcon = new(null, Sequence(
        """{"type": "Punctuation", "behavior": "Contiguous"}""", ByteLevelWithWords, """{"type": "Digits", "individual_digits": false}""",
        Split("[0-9][0-9][0-9]")));

    private static readonly GgufPreTokenizer DeepSeekCoder = new(null, Sequence(
        Split(@"[\r\n]"), Split(@"\s?\p{L}+"), Split(@"\s?\p{P}+"), Split("[一-龥ࠀ-一가-퟿]+"), EachDigit, ByteLevel));

    private static readonly GgufPreTokenizer DeepSeek3 = new(null, Sequence(
        Split(@"\p{N}{1,3}"),
        Split("[一-龥぀-ゟ゠-ヿ]+"),
        Split(@"[!\""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            + @"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        ByteLevel));

    private static readonly GgufPreTokenizer SeedCoder = new(null, Sequence(
        Split(Contractions + @"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"), ByteLevel));

    private static readonly SortedDictionary<string, GgufPreTokenizer> ByName = new(StringComparer.Ordinal)
    {
        ["a.x-4.0"] = Gpt2,
        ["bloom"] = Bloom,
        ["command-r"] = Digits with { Normalizer = Nfc },
        ["dbrx"] = Llama3,
        ["deepseek-coder"] = DeepSeekCoder,
        ["deepseek-r1-qwen"] = EachDigitAlone,
        ["deepseek-v3"] = DeepSeek3,
        ["falcon"] = Falcon,
        ["falcon3"] = Llama3Whole,
        ["gigachat"] = Gpt2,
        ["gpt-2"] = Gpt2,
        ["gpt-4o"] = Gpt4O,
        ["jais"] = Gpt2,
        ["llama-bpe"] = Llama3Whole,
        ["llama-v3"] = Llama3Whole,
        ["llama3"] = Llama3Whole,
        ["megrez"] = EachDigitAlone,
        ["mellum"] = Gpt2,
        ["minerva-7b"] = Digits,
        ["mpt"] = Gpt2 with { Normalizer = Nfc },
        ["olmo"] = Gpt2 with { Normalizer = Nfc },
        ["phi-2"] = Gpt2,
        ["pixtral"] = Llama3Whole,
        ["qwen2"] = EachDigitAlone with { Normalizer = Nfc },
        ["refact"] = Digits,
        ["seed-coder"] = SeedCoder,
        ["smaug-bpe"] = Llama3,
        ["smollm"] = Digits,
        ["stablelm2"] = EachDigitAlone,
        ["starcoder"] = Digits,
        ["tekken"] = Tekken,
        ["trillion"] = Gpt2,
    };

    /// <summary>All names.</summary>
    public static IEnumerable<string> Names => ByName.Keys;

    /// <summary>Finds one by its name.</summary>
    /// <exception cref="SteerException">The name is not known.</exception>
    public static GgufPreTokenizer Find(string file, string? name)
    {
        if (name is null)
        {
            throw new SteerException(
                $"{file}: lacks tokenizer.ggml.pre, which says how texts are split; convert the model again, or give a tokenizer beside it");
        }

        return ByName.TryGetValue(name, out var found)
            ? found
            : throw new SteerException($"{file}: tokenizer.ggml.pre names {Vocabulary.Show(name)}, which is not known; known are "
                + $"{string.Join(", ", Names)}; give a tokenizer beside the model");
    }

    /// <summary>The normaliser, or null.</summary>
    public static Normalizer? ReadNormalizer(this GgufPreTokenizer pre, string file)
    {
        if (pre.Normalizer is null)
            return null;
        using var document = JsonPart.Parse(file, Encoding.UTF8.GetBytes(pre.Normalizer), "a normalizer", out var part);
        return NormalizerReader.Read(part);
    }

    /// <summary>The steps that end in the model.</summary>
    public static TextStep ReadSteps(this GgufPreTokenizer pre, string file, WordModel model)
    {
        using var document = JsonPart.Parse(file, Encoding.UTF8.GetBytes(pre.PreTokenizer), "a pre-tokenizer", out var part);
        return PreTokenizerReader.Read(part, model);
    }

    /// <summary>From tokens of SentencePiece to text.</summary>
    /// <param name="file">For errors.</param>
    /// <param name="stripsPrefix">The space that was put before a text goes again.</param>
    public static IReadOnlyList<DecoderSpec> ReadDecoders(string file, bool stripsPrefix)
    {
        const string Spaces = """{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}""";
        const string Strip = """, {"type": "Strip", "content": " ", "start": 1, "stop": 0}""";
        string json = $$"""
            {"type": "Sequence", "decoders": [{{Spaces}}, {"type": "ByteFallback"}, {"type": "Fuse"}{{(stripsPrefix ? Strip : "")}}]}
            """;
        using var document = JsonPart.Parse(file, Encoding.UTF8.GetBytes(json), "a decoder", out var part);
        return DecoderReader.Read(part);
    }

    private static string Sequence(params ReadOnlySpan<string> steps) =>
        $$"""{"type": "Sequence", "pretokenizers": [{{string.Join(", ", steps!)}}]}""";

    private static string Split(string regex) =>
        new JsonObject { ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = regex }, ["behavior"] = "Isolated" }.ToJsonString();
}
