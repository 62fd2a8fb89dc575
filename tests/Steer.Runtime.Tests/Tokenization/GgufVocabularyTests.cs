using System.Text.Json;
using System.Text.RegularExpressions;
using Steer.Runtime.Checkpoints.Gguf;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>
/// Vocabularies of GGUF files: those of llama.cpp's own tests against its vectors, and every pipeline of tokenizer.json that such a file can hold,
/// written as the converter writes it, against Hugging Face's vectors.
/// </summary>
public sealed class GgufVocabularyTests : IDisposable
{
    private sealed record Vector(string Text, int[] Ids, int[] IdsWithSpecial, string Decoded, string DecodedSkipSpecial);

    private sealed record VectorFile(string Source, Vector[] Vectors);

    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("falcon")]
    [InlineData("gpt-2")]
    [InlineData("phi-3")]
    public void Ids_equal_those_of_llama_cpp(string name)
    {
        if (Goldens.Shared($"goldens/tokenizers/gguf/ggml-vocab-{name}.gguf") is not { } path)
            return;
        var tokenizer = Tokenizer.Load(path);
        string[] texts = File.ReadAllText(path + ".inp").Split("\n__ggml_vocab_test__\n")[..^1];
        string[] lines = File.ReadAllText(path + ".out").Split('\n')[..^1];
        Assert.Equal(lines.Length, texts.Length);
        foreach (var (text, line) in texts.Zip(lines))
        {
            int[] expected = [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
            Assert.Equal(expected, tokenizer.Encode(text, addSpecialTokens: false));
        }
    }

    [Theory]
    [InlineData("gpt2-like", "gpt-2")]
    [InlineData("llama3-like", "llama-bpe")]
    [InlineData("qwen-like", "qwen2")]
    [InlineData("smollm-like", "smollm")]
    [InlineData("falcon-like", "falcon")]
    [InlineData("bloom-like", "bloom")]
    [InlineData("deepseek-like", "deepseek-v3")]
    public void A_byte_level_vocabulary_is_the_tokenizer_json_that_it_was_made_from(string pipeline, string pre)
    {
        string folder = Path.Combine(Goldens.Folder, "tokenizer_json", pipeline);
        var tokenizer = Tokenizer.Load(Write(folder, metadata =>
        {
            metadata["tokenizer.ggml.model"] = "gpt2";
            metadata["tokenizer.ggml.pre"] = pre;
        }));
        Check(tokenizer, folder);
        Assert.True(tokenizer.SameAs(Tokenizer.Load(folder), out string difference), difference);
    }

    [Theory]
    [InlineData("llama2-like", true)]
    [InlineData("gemma-like", false)]
    public void A_SentencePiece_vocabulary_equals_the_tokenizer_json_that_it_was_made_from(string pipeline, bool addsPrefix)
    {
        string folder = Path.Combine(Goldens.Folder, "tokenizer_json", pipeline);
        var tokenizer = Tokenizer.Load(Write(folder, metadata =>
        {
            metadata["tokenizer.ggml.model"] = "llama";
            metadata["tokenizer.ggml.add_space_prefix"] = addsPrefix;
            metadata["tokenizer.ggml.add_bos_token"] = addsPrefix;
        }));
        Check(tokenizer, folder);
        Assert.Equal((1, 2), (tokenizer.BosId, tokenizer.EosId));
    }

    [Fact]
    public void The_vocabulary_of_a_converted_model_is_that_of_its_folder()
    {
        if (!GoldenFiles.Exists("gguf/base-q8_0.gguf"))
            return;
        var tokenizer = Tokenizer.Load(GoldenFiles.Find("gguf/base-q8_0.gguf"));
        var folder = Tokenizer.Load(Path.Combine(GoldenFiles.Weights, "base"));
        Assert.True(tokenizer.SameAs(folder, out string difference), difference);
        Assert.Equal(folder.Encode("A star of 12 suns.<|endoftext|>", true), tokenizer.Encode("A star of 12 suns.<|endoftext|>", true));
        Assert.Equal((0, 0), (tokenizer.BosId, tokenizer.EosId));
    }

    public static TheoryData<string> PreTokenizers => [.. GgufPreTokenizers.Names];

    [Theory]
    [MemberData(nameof(PreTokenizers))]
    public void Texts_come_back_whatever_they_are_split_by(string pre)
    {
        var tokenizer = Tokenizer.Load(Write(Path.Combine(Goldens.Folder, "tokenizer_json", "gpt2-like"), metadata =>
        {
            metadata["tokenizer.ggml.model"] = "gpt2";
            metadata["tokenizer.ggml.pre"] = pre;
        }));
        foreach (string text in new[] { "It's McDonald's 12345, élan 日本語 🙂!?\r\n\n  x\t\ty ", "'LL 3.1415 (a|b)…", "" })
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false));
    }

    [Fact]
    public void Ids_above_the_tokenizer_s_are_no_tokens()
    {
        string folder = Path.Combine(Goldens.Folder, "tokenizer_json", "gpt2-like");
        var tokenizer = Tokenizer.Load(Write(folder, metadata =>
        {
            metadata["tokenizer.ggml.model"] = "gpt2";
            metadata["tokenizer.ggml.pre"] = "gpt-2";
            metadata["tokenizer.ggml.tokens"] = ((string[])metadata["tokenizer.ggml.tokens"]).Append("[PAD900]").ToArray();
            metadata["tokenizer.ggml.token_type"] = ((int[])metadata["tokenizer.ggml.token_type"]).Append(5).ToArray();
        }));
        Assert.Equal(900, tokenizer.VocabSize);
    }

    [Theory]
    [InlineData("tokenizer.ggml.model", "bert", "tokenizer.ggml.model names 'bert', which is not known; known are gpt2 and llama")]
    [InlineData("tokenizer.ggml.model", "none", "holds no tokenizer")]
    [InlineData("tokenizer.ggml.pre", "my-own", "tokenizer.ggml.pre names 'my-own', which is not known; known are a.x-4.0, bloom,")]
    [InlineData("tokenizer.ggml.pre", null, "lacks tokenizer.ggml.pre")]
    [InlineData("tokenizer.ggml.pre", 3u, "tokenizer.ggml.pre must be a text")]
    [InlineData("tokenizer.ggml.tokens", new[] { "a", "b" }, "its 2 tokens have 900 kinds")]
    [InlineData("tokenizer.ggml.tokens", null, "its 0 tokens have")]
    [InlineData("tokenizer.ggml.merges", new[] { "t" }, "merge 0, 't', must have two halves")]
    [InlineData("tokenizer.ggml.merges", new[] { "xyz zyx" }, "merge 0, 'xyz' with 'zyx', names or makes a token that is not in the vocabulary")]
    [InlineData("tokenizer.ggml.eos_token_id", 900u, "tokenizer.ggml.eos_token_id is 900, but there are 900 tokens")]
    public void What_is_damaged_or_not_known_is_one_line(string key, object? value, string expected)
    {
        string path = Write(Path.Combine(Goldens.Folder, "tokenizer_json", "gpt2-like"), metadata =>
        {
            metadata["tokenizer.ggml.model"] = "gpt2";
            metadata["tokenizer.ggml.pre"] = "gpt-2";
            metadata.Remove(key);
            if (value is not null)
                metadata[key] = value;
        });
        string message = Assert.Throws<SteerException>(() => Tokenizer.Load(path)).Message;
        Assert.StartsWith($"{path}: ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void A_score_that_is_no_number_is_refused()
    {
        string path = Write(Path.Combine(Goldens.Folder, "tokenizer_json", "llama2-like"), metadata =>
        {
            metadata["tokenizer.ggml.model"] = "llama";
            ((float[])metadata["tokenizer.ggml.scores"])[700] = float.NaN;
        });
        Assert.Contains("scores that are no numbers", Assert.Throws<SteerException>(() => Tokenizer.Load(path)).Message);
    }

    private static void Check(Tokenizer tokenizer, string folder)
    {
        foreach (var vector in JsonSerializer.Deserialize<VectorFile>(File.ReadAllText(Path.Combine(folder, "vectors.json")), SnakeCase)!.Vectors)
        {
            Assert.Equal(vector.Ids, tokenizer.Encode(vector.Text, addSpecialTokens: false));
            Assert.Equal(vector.IdsWithSpecial, tokenizer.Encode(vector.Text, addSpecialTokens: true));
            Assert.Equal(vector.Decoded, tokenizer.Decode(vector.Ids, skipSpecialTokens: false));
            Assert.Equal(vector.DecodedSkipSpecial, tokenizer.Decode(vector.Ids, skipSpecialTokens: true));
        }
    }

    // A GGUF file with the vocabulary of a tokenizer.json, merges and scores both.
    private string Write(string folder, Action<Dictionary<string, object>> change)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "tokenizer.json")));
        var model = document.RootElement.GetProperty("model");
        var tokens = new SortedDictionary<int, string>();
        foreach (var token in model.GetProperty("vocab").EnumerateObject())
            tokens[token.Value.GetInt32()] = token.Name;
        var kinds = new Dictionary<int, int>();
        foreach (var added in document.RootElement.GetProperty("added_tokens").EnumerateArray())
        {
            int id = added.GetProperty("id").GetInt32();
            tokens[id] = added.GetProperty("content").GetString()!;
            kinds[id] = tokens[id] == "<unk>" ? 2 : added.GetProperty("special").GetBoolean() ? 3 : 4;
        }

        string[] merges = [.. model.GetProperty("merges").EnumerateArray()
            .Select(merge => merge.ValueKind == JsonValueKind.Array ? $"{merge[0]} {merge[1]}" : merge.GetString()!)];
        var ranks = new Dictionary<string, int>();
        for (int rank = 0; rank < merges.Length; rank++)
            ranks.TryAdd(merges[rank].Replace(" ", ""), rank);
        Assert.Equal(Enumerable.Range(0, tokens.Count), tokens.Keys);
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = "llama",
            ["tokenizer.ggml.tokens"] = tokens.Values.ToArray(),
            ["tokenizer.ggml.token_type"] = tokens.Select(t => kinds.GetValueOrDefault(t.Key, Regex.IsMatch(t.Value, "^<0x..>$") ? 6 : 1)).ToArray(),
            ["tokenizer.ggml.scores"] = tokens.Values.Select(t => (float)-ranks.GetValueOrDefault(t, 1_000_000)).ToArray(),
            ["tokenizer.ggml.merges"] = merges,
        };
        if (tokens.FirstOrDefault(t => t.Value is "<|begin_of_text|>") is { Value: not null } bos)
            metadata["tokenizer.ggml.bos_token_id"] = (uint)bos.Key;
        change(metadata);
        string path = _folder.File("vocabulary.gguf");
        using var writer = GgufWriter.Create(path, metadata, [new GgufDeclaration("x", GgufType.F32, 1)]);
        writer.Write([0]);
        writer.Finish();
        return path;
    }
}
