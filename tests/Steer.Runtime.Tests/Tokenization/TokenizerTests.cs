using CsCheck;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

public sealed class TokenizerTests
{
    private static readonly string Golden = Path.Combine(Goldens.Folder, "tokenizer_json");

    /// <summary>Byte-level vocabularies can write any text.</summary>
    [Theory]
    [InlineData("gpt2-like")]
    [InlineData("llama3-like")]
    [InlineData("deepseek-like")]
    [InlineData("falcon-like")]
    [InlineData("bloom-like")]
    [InlineData("smollm-like")]
    public void Any_text_comes_back(string pipeline)
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Golden, pipeline));
        Gen.String.Sample(
            text => Assert.Equal(string.Concat(text.EnumerateRunes()), tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false)),
            iter: 500);
    }

    /// <summary>Half a surrogate pair is written as U+FFFD, in every pipeline.</summary>
    [Fact]
    public void A_lone_surrogate_counts_as_the_replacement_character()
    {
        foreach (var source in Directory.GetDirectories(Golden).Append(Path.Combine(Goldens.Folder, "sentencepiece", "tok512.model")))
        {
            var tokenizer = Tokenizer.Load(source);
            Assert.Equal(tokenizer.Encode("a\uFFFDb\uFFFD", addSpecialTokens: false), tokenizer.Encode("a\uD83Db\uDE42", addSpecialTokens: false));
        }
    }

    /// <summary>One word of a hundred thousand characters, where time that grows with the square of the length would take minutes.</summary>
    [Theory]
    [InlineData("tokenizer_json/gpt2-like", "ab")]
    [InlineData("tokenizer_json/gpt2-like", " ")]
    [InlineData("tokenizer_json/llama2-like", "the ")]
    [InlineData("tokenizer_json/deepseek-like", "🙂")]
    [InlineData("sentencepiece/tok512.model", "the")]
    [InlineData("sentencepiece/tok512.bin", " ")]
    [InlineData("sentencepiece/uni.model", "an")]
    public void A_very_long_word_comes_back(string source, string unit)
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Goldens.Folder, source));
        var text = string.Concat(Enumerable.Repeat(unit, 100_000 / unit.Length)) + "x";
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text, addSpecialTokens: false), skipSpecialTokens: false));
    }

    /// <summary>
    /// Where no token spans the start of a word, a text without pre-tokenizer is cut there all the same, for the cache. Held against the pipeline that
    /// splits: this vocabulary was trained on words, so that both give the same tokens.
    /// </summary>
    [Fact]
    public void Cutting_at_words_changes_no_token()
    {
        var json = Compact(File.ReadAllText(Path.Combine(Golden, "metaspace-split", "tokenizer.json")));
        using var folder = new TemporaryFolder();
        var split = Tokenizer.Load(folder.Write("split.json", json));
        var whole = Tokenizer.Load(folder.Write("whole.json", json.Replace("\"split\":true", "\"split\":false", StringComparison.Ordinal)));
        Assert.False(split.SameAs(whole, out _));
        Gen.String[Gen.Char["  ▁aehnorst日\n"], 0, 80].Sample(
            text => Assert.Equal(split.Encode(text, addSpecialTokens: true), whole.Encode(text, addSpecialTokens: true)), iter: 500);
    }

    [Fact]
    public void Threads_share_a_tokenizer()
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Golden, "llama3-like"));
        var texts = Enumerable.Range(0, 200).Select(i => string.Join(' ', Enumerable.Range(i, 50).Select(n => $"w{n * 7919 % 1000}é"))).ToArray();
        var alone = texts.Select(text => tokenizer.Encode(text, addSpecialTokens: true)).ToArray();
        var shared = Tokenizer.Load(Path.Combine(Golden, "llama3-like"));
        Parallel.For(0, texts.Length * 4, i => Assert.Equal(alone[i % texts.Length], shared.Encode(texts[i % texts.Length], addSpecialTokens: true)));
    }

    [Fact]
    public void Ids_and_tokens_are_looked_up_both_ways()
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Golden, "qwen-like"));
        Assert.Equal(1001, tokenizer.VocabSize);
        Assert.Equal(1000, tokenizer.IdOf("<tool_call>"));
        Assert.Equal("<tool_call>", tokenizer.TokenOf(1000));
        Assert.Null(tokenizer.IdOf("no such token"));
        Assert.Null(tokenizer.TokenOf(-1));
        Assert.Null(tokenizer.TokenOf(1001));
        Assert.Equal([0, 1, 2], tokenizer.SpecialIds.Order());
        Assert.Null(tokenizer.EosId);
    }

    [Fact]
    public void Begin_and_end_come_from_the_configuration_beside_the_file()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(Golden, "qwen-like", "tokenizer.json"), folder.File("tokenizer.json"));
        folder.Write("special_tokens_map.json", """{"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}}""");
        folder.Write("tokenizer_config.json", """{"bos_token": null, "eos_token": "<|endoftext|>"}""");
        var tokenizer = Tokenizer.Load(folder.Path);
        Assert.Equal((1, 0), (tokenizer.BosId, tokenizer.EosId));
        Assert.Equal(tokenizer.EosId, Tokenizer.Load(folder.File("tokenizer.json")).EosId);
    }

    [Fact]
    public void The_same_tokenizer_is_the_same_however_it_is_written()
    {
        var source = Path.Combine(Golden, "gpt2-like", "tokenizer.json");
        var tokenizer = Tokenizer.Load(source);
        using var folder = new TemporaryFolder();
        using var document = System.Text.Json.JsonDocument.Parse(File.ReadAllText(source));
        var indented = folder.Write(
            "tokenizer.json", System.Text.Json.JsonSerializer.Serialize(document, new System.Text.Json.JsonSerializerOptions { WriteIndented = true }));
        Assert.True(tokenizer.SameAs(Tokenizer.Load(indented), out var difference));
        Assert.Equal("", difference);
        Assert.True(tokenizer.SameAs(tokenizer, out _));
    }

    [Theory]
    [InlineData("gpt2-like", "\"Ġand\":", "\"Ġanx\":", "token ")]
    [InlineData("gpt2-like", "\"use_regex\":true},\"post", "\"use_regex\":false},\"post", "pre-tokenizer and model differs")]
    [InlineData("llama2-like", "\"prepend\":\"▁\"", "\"prepend\":\"_\"", "normalizer differs")]
    [InlineData("llama2-like", "\"start\":1", "\"start\":0", "decoder differs")]
    [InlineData("qwen-like", "\"content\":\"<tool_call>\",\"single_word\":false", "\"content\":\"<tool_call>\",\"single_word\":true", "added tokens differs")]
    public void A_difference_is_named(string pipeline, string from, string to, string expected)
    {
        var json = Compact(File.ReadAllText(Path.Combine(Golden, pipeline, "tokenizer.json")));
        var changed = json.Replace(from, to, StringComparison.Ordinal);
        if (from.Contains("Ġand", StringComparison.Ordinal))
            changed = changed.Replace("[\"Ġa\",\"nd\"]", "[\"Ġa\",\"n\"]", StringComparison.Ordinal);
        Assert.NotEqual(json, changed);
        using var folder = new TemporaryFolder();
        var one = Tokenizer.Load(folder.Write("one.json", json));
        var two = Tokenizer.Load(folder.Write("two.json", changed));
        Assert.False(one.SameAs(two, out var difference));
        Assert.Contains(expected, difference);
        Assert.Contains("one.json", difference);
        Assert.Contains("two.json", difference);
    }

    private static string Compact(string json)
    {
        var options = new System.Text.Json.JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        return System.Text.Json.Nodes.JsonNode.Parse(json)!.ToJsonString(options);
    }
}
