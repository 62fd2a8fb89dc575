using System.Text.Json;
using System.Text.RegularExpressions;
using CsCheck;
using Microsoft.ML.Tokenizers;

namespace Steer.Runtime.Tests.Tokenization;

/// <summary>
/// Held against Microsoft.ML.Tokenizers 2.0.1 where it is right: ASCII text that begins and ends without a space. (Beyond the basic plane its patterns see
/// halves of letters; of white space alone its SentencePiece makes a token; unknown neighbours it does not join; of two equal pairs that overlap, as in
/// "ooo", its SentencePiece takes sometimes the left one, as SentencePiece does, and sometimes the right.)
/// </summary>
public sealed class MicrosoftTokenizersTests
{
    private static readonly Gen<string> Ascii = Gen.OneOf(
            Gen.String[Gen.Char['a', 'z'], 1, 12],
            Gen.OneOf(new[] { "the", "The", "don't", "12,345", "...", "(x)", "\n", "  " }.Select(Gen.Const).ToArray()))
        .Array[1, 20].Select(words => $"It {string.Join(' ', words)} is");

    [Fact]
    public void Gpt2_vocabulary()
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
        Check(BpeTokenizer.Create(options), Steer.Runtime.Tokenization.Tokenizer.Load(folder));
    }

    [Fact]
    public void SentencePiece_model()
    {
        var file = Path.Combine(Goldens.Folder, "sentencepiece", "tok512.model");
        using var stream = File.OpenRead(file);
        Check(SentencePieceTokenizer.Create(stream, addBeginningOfSentence: false), Steer.Runtime.Tokenization.Tokenizer.Load(file));
    }

    private static void Check(Tokenizer theirs, Steer.Runtime.Tokenization.Tokenizer ours) =>
        Ascii.Where(text => !Regex.IsMatch(text, @"([a-z])\1\1")).Sample(text => Assert.Equal(theirs.EncodeToIds(text), ours.Encode(text, addSpecialTokens: false)), iter: 500);
}
