using System.Text.Json;
using System.Text.RegularExpressions;
using CsCheck;
using Microsoft.ML.Tokenizers;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>
/// Held against Microsoft.ML.Tokenizers 2.0.1 where it is right: GPT-2's byte-level vocabulary on ASCII text. (Beyond the basic plane its patterns see
/// halves of letters. Its SentencePiece makes a token of white space alone, does not join unknown neighbours, and breaks ties between equal merges differently.)
/// </summary>
public sealed class MicrosoftTokenizersTests
{
    private static readonly Gen<string> Ascii = Gen.OneOf(
            Gen.String[Gen.Char['a', 'z'], 1, 12],
            Gen.OneOf(new[] { "the", "The", "don't", "12,345", "...", "(x)", "\n", "  " }.Select(Gen.Const).ToArray()))
        .Array[1, 20].Select(words => $"It {string.Join(' ', words)} is");

    [Fact]
    public void Gpt2_ids_equal_those_of_microsoft()
    {
        var folder = Path.Combine(Goldens.Folder, "tokenizer_json", "gpt2-like");
        using var document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "tokenizer.json")));
        var model = document.RootElement.GetProperty("model");
        var options = new BpeOptions(model.GetProperty("vocab").EnumerateObject().Select(token => KeyValuePair.Create(token.Name, token.Value.GetInt32())))
        {
            Merges = model.GetProperty("merges").EnumerateArray().Select(pair => $"{pair[0].GetString()} {pair[1].GetString()}").ToList(),
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(new Regex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"), null),
        };
        var theirs = BpeTokenizer.Create(options);
        var ours = Steer.Runtime.Tokenization.Tokenizer.Load(folder);
        Ascii.Sample(text => Assert.Equal(theirs.EncodeToIds(text), ours.Encode(text, addSpecialTokens: false)), iter: 500);
    }
}
