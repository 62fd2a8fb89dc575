using System.Text.Json;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>Held against SentencePiece 0.2.1: BPE and unigram models, byte fallback, normalisation rules, every white-space option.</summary>
public sealed class SentencePieceGoldenTests
{
    private sealed record Vector(string Text, int[] Ids, string Decoded);

    private sealed record VectorFile(string Source, Vector[] Vectors, Vector[] Decodes);

    private static readonly string Folder = Path.Combine(Goldens.Folder, "sentencepiece");

    private static readonly JsonSerializerOptions CamelCase = new(JsonSerializerDefaults.Web);

    [Theory]
    [InlineData("tok105")]
    [InlineData("tok512")]
    [InlineData("uni")]
    [InlineData("unibytes")]
    [InlineData("bpeuser")]
    public void Ids_and_texts_equal_those_of_sentencepiece(string name) => Check(name, Path.Combine(Folder, name + ".model"));

    [Fact]
    public void Ids_and_texts_of_mistral_equal_those_of_sentencepiece()
    {
        // 493 KB, so not kept beside the tests; tok512.model above has the same parts.
        if (Goldens.Shared("goldens/tokenizers/mistral_32k/tokenizer.model.v1") is { } file)
            Check("mistral", file);
    }

    [Fact]
    public void Special_tokens_are_those_that_the_model_names()
    {
        var tokenizer = Tokenizer.Load(Path.Combine(Folder, "uni.model"));
        Assert.Equal((1, 2), (tokenizer.BosId, tokenizer.EosId));
        Assert.Equal([0, 1, 2, tokenizer.IdOf("<ctl>")!.Value], tokenizer.SpecialIds.Order());
        var ids = tokenizer.Encode("night", addSpecialTokens: true);
        Assert.Equal(1, ids[0]);
        Assert.Equal("night", tokenizer.Decode(ids, skipSpecialTokens: true));
        Assert.Equal("<s>night", tokenizer.Decode(ids, skipSpecialTokens: false));
        Assert.Equal(ids[1..], tokenizer.Encode("night", addSpecialTokens: false));
    }

    [Fact]
    public void A_configuration_beside_the_model_says_what_goes_around_a_text()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(Folder, "tok512.model"), folder.File("tokenizer.model"));
        File.WriteAllText(folder.File("tokenizer_config.json"), """{"add_bos_token": false, "add_eos_token": true, "eos_token": {"content": "</s>"}}""");
        var ids = Tokenizer.Load(folder.Path).Encode("Once", addSpecialTokens: true);
        Assert.Equal([403, 2], ids);
    }

    private static void Check(string name, string model)
    {
        var tokenizer = Tokenizer.Load(model);
        var golden = JsonSerializer.Deserialize<VectorFile>(File.ReadAllText(Path.Combine(Folder, name + ".vectors.json")), CamelCase)!;
        Assert.NotEmpty(golden.Vectors);
        foreach (var vector in golden.Vectors)
        {
            Assert.Equal(vector.Ids, tokenizer.Encode(vector.Text, addSpecialTokens: false));
            Assert.Equal(vector.Decoded, tokenizer.Decode(vector.Ids, skipSpecialTokens: false));
        }

        // Tokens drawn at random: bytes that are no characters, marks anywhere.
        Assert.NotEmpty(golden.Decodes);
        foreach (var decode in golden.Decodes)
            Assert.Equal(decode.Decoded, tokenizer.Decode(decode.Ids, skipSpecialTokens: false));
    }
}
