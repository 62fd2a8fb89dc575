using System.Text.Json;
using Steer.Runtime.Tokenization;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>
/// Held against Hugging Face tokenizers 0.23.3: one small tokenizer for each pipeline that real families ship, 173 texts each, both directions.
/// </summary>
public sealed class TokenizerJsonGoldenTests
{
    private sealed record Vector(string Text, int[] Ids, int[] IdsWithSpecial, string Decoded, string DecodedSkipSpecial);

    private sealed record VectorFile(string Source, Vector[] Vectors);

    private static readonly JsonSerializerOptions SnakeCase = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    public static TheoryData<string> Pipelines =>
        [.. Directory.GetDirectories(Path.Combine(Goldens.Folder, "tokenizer_json")).Select(folder => Path.GetFileName(folder)!).Order()];

    [Fact]
    public void All_thirteen_pipelines_are_there() => Assert.Equal(13, Pipelines.Count);

    [Theory]
    [MemberData(nameof(Pipelines))]
    public void Ids_and_texts_equal_those_of_hugging_face(string pipeline)
    {
        var (tokenizer, vectors) = Load(pipeline);
        Assert.Equal(173, vectors.Length);
        foreach (var vector in vectors)
        {
            Assert.Equal(vector.Ids, tokenizer.Encode(vector.Text, addSpecialTokens: false));
            Assert.Equal(vector.IdsWithSpecial, tokenizer.Encode(vector.Text, addSpecialTokens: true));
            Assert.Equal(vector.Decoded, tokenizer.Decode(vector.Ids, skipSpecialTokens: false));
            Assert.Equal(vector.DecodedSkipSpecial, tokenizer.Decode(vector.Ids, skipSpecialTokens: true));
        }
    }

    private static (Tokenizer Tokenizer, Vector[] Vectors) Load(string pipeline)
    {
        var folder = Path.Combine(Goldens.Folder, "tokenizer_json", pipeline);
        var vectors = JsonSerializer.Deserialize<VectorFile>(File.ReadAllText(Path.Combine(folder, "vectors.json")), SnakeCase)!.Vectors;
        return (Tokenizer.Load(folder), vectors);
    }
}
