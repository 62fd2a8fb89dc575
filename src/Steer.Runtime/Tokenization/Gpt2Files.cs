using System.Collections.Frozen;
using System.Globalization;
using System.Text.Json;

namespace Steer.Runtime.Tokenization;

/// <summary>Reads GPT-2's own files: vocab.json (encoder.json) with merges.txt (vocab.bpe), and the same vocabulary as tiktoken writes it.</summary>
internal static class Gpt2Files
{
    private const string EndOfText = "<|endoftext|>";

    /// <summary>Tokens of tiktoken's file for GPT-2; others come with patterns that their files do not hold.</summary>
    private const int TiktokenSize = 50_256;

    /// <summary>Reads a vocabulary, {"token": id}, and its merges, a line for each with a space between the halves.</summary>
    /// <param name="vocabFile">Name of the one file.</param>
    /// <param name="vocabJson">Its bytes.</param>
    /// <param name="mergesFile">Name of the other.</param>
    /// <param name="mergesText">Its text.</param>
    /// <param name="special">Special tokens beside the end of text.</param>
    /// <exception cref="SteerException">One of them is damaged.</exception>
    public static TokenizerParts Read(string vocabFile, ReadOnlyMemory<byte> vocabJson, string mergesFile, string mergesText, IEnumerable<string> special)
    {
        Vocabulary vocabulary;
        try
        {
            using var document = JsonDocument.Parse(vocabJson, new JsonDocumentOptions { AllowDuplicateProperties = false });
            vocabulary = Vocabulary.Create(vocabFile, [.. TokenizerJson.ReadVocab(new JsonPart(vocabFile, "", document.RootElement))]);
        }
        catch (JsonException e)
        {
            throw new SteerException($"{vocabFile}: not a vocabulary: {e.Message.ReplaceLineEndings(" ")}", e);
        }

        var merges = new List<(string, string)>();
        foreach (var line in mergesText.Split('\n'))
        {
            var merge = line.TrimEnd('\r');
            if (merge.Length == 0 || (merges.Count == 0 && merge.StartsWith("#version", StringComparison.Ordinal)))
                continue;
            merges.Add(merge.Split(' ') is [{ Length: > 0 } left, { Length: > 0 } right]
                ? (left, right)
                : throw new SteerException($"{mergesFile}: {Vocabulary.Show(merge)} is not a merge; the file is damaged"));
        }

        var model = BpeModel.Create(mergesFile, vocabulary, merges, new BpeOptions(-1, false, false, false));
        return Assemble(vocabFile, vocabulary, model, special);
    }

    /// <summary>Reads tiktoken's form of the vocabulary: a line for each token, its bytes in base64 and its id, which is its rank among merges.</summary>
    /// <exception cref="SteerException">It is damaged, or not GPT-2's.</exception>
    public static TokenizerParts ReadTiktoken(string file, string text)
    {
        var pieces = new List<(string Token, float Score, int Id)>();
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var fields = line.Split(' ');
            var bytes = new byte[fields[0].Length];
            if (fields.Length != 2 || !Convert.TryFromBase64String(fields[0], bytes, out var length) || length == 0
                || !int.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out var id))
                throw new SteerException($"{file}: {Vocabulary.Show(line)} is not a token and its rank; the file is damaged");
            pieces.Add((string.Concat(bytes.Take(length).Select(ByteAlphabet.CharOf)), -id, id));
        }

        if (pieces.Count != TiktokenSize)
            throw new SteerException($"{file}: a tiktoken file of {pieces.Count} tokens is not GPT-2's; only that is supported, use a tokenizer.json instead");
        var vocabulary = Vocabulary.Create(file, [.. pieces.Select(piece => KeyValuePair.Create(piece.Token, piece.Id)), KeyValuePair.Create(EndOfText, TiktokenSize)]);
        return Assemble(file, vocabulary, new ScoreBpeModel(vocabulary, pieces, unknownId: -1, byteFallback: false, mergesUnknown: false, ' '), []);
    }

    private static TokenizerParts Assemble(string file, Vocabulary vocabulary, WordModel model, IEnumerable<string> special)
    {
        var added = special.Append(EndOfText)
            .Where(content => content.Length > 0 && vocabulary.IdOf(content) is not null)
            .Distinct()
            .Select(content => new AddedToken(vocabulary.IdOf(content)!.Value, content, false, false, false, false, true))
            .ToList();
        var steps = new WordStep(WordSplitter.Gpt2, new ModelStep(model, byteAlphabet: true));
        var end = vocabulary.IdOf(EndOfText);
        return new TokenizerParts
        {
            File = file,
            Vocabulary = vocabulary,
            Encoder = new TextPipeline(new AddedTokenFinder(added.Select(token => (token.Content, token))), new AddedTokenFinder([]), null, steps),
            Decoders = [new ByteLevelDecoder()],
            SpecialIds = added.Select(token => token.Id).ToFrozenSet(),
            BosId = end,
            EosId = end,
            Pipeline =
            [
                ("added tokens", string.Join(", ", added.OrderBy(token => token.Id))),
                ("normalizer", ""),
                ("pre-tokenizer and model", $"{steps}"),
                ("decoder", $"{new ByteLevelDecoder()}"),
            ],
        };
    }
}
