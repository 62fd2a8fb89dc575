using System.Collections.Frozen;
using System.Globalization;

namespace Steer.Runtime.Tokenization;

/// <summary>Reads GPT-2's own files: vocab.json (encoder.json) with merges.txt (vocab.bpe), and the same vocabulary as tiktoken writes it.</summary>
internal static class Gpt2Files
{
    private const string EndOfText = "<|endoftext|>";

    /// <summary>tiktoken's names of GPT-2's vocabulary; others come with patterns that their files do not hold.</summary>
    private static readonly string[] TiktokenNames = ["gpt2.tiktoken", "r50k_base.tiktoken"];

    /// <summary>Reads a vocabulary, {"token": id}, and its merges, a line for each with a space between the halves.</summary>
    /// <param name="vocabFile">Name of the one file.</param>
    /// <param name="vocabJson">Its bytes.</param>
    /// <param name="mergesFile">Name of the other.</param>
    /// <param name="mergesText">Its text.</param>
    /// <param name="special">Special tokens beside the end of text.</param>
    /// <exception cref="SteerException">One of them is damaged.</exception>
    public static TokenizerParts Read(
        string vocabFile, ReadOnlyMemory<byte> vocabJson, string mergesFile, string mergesText, IEnumerable<string> special)
    {
        using var document = JsonPart.Parse(vocabFile, vocabJson, "a vocabulary", out var root);
        var vocabulary = Vocabulary.Create(vocabFile, [.. TokenizerJson.ReadVocab(root)]);
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

    /// <summary>
    /// Reads tiktoken's form of the vocabulary: a line for each token, its bytes in base64 and its id, which is its rank among merges.
    /// </summary>
    /// <exception cref="SteerException">It is damaged, or not GPT-2's.</exception>
    public static TokenizerParts ReadTiktoken(string file, string text)
    {
        if (!TiktokenNames.Contains(Path.GetFileName(file)))
        {
            throw new SteerException($"{file}: a tiktoken file does not hold the pattern that splits its texts; known by name are"
                + $" {string.Join(" and ", TiktokenNames)}, for others use a tokenizer.json");
        }

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

        if (pieces.Count == 0)
            throw new SteerException($"{file}: has no tokens; the file is damaged");
        var tokens = pieces.Select(piece => KeyValuePair.Create(piece.Token, piece.Id));
        var vocabulary = Vocabulary.Create(file, [.. tokens, KeyValuePair.Create(EndOfText, pieces.Max(piece => piece.Id) + 1)]);
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
                ("added tokens", AddedToken.Describe(added)),
                ("normalizer", ""),
                ("pre-tokenizer and model", $"{steps}"),
                ("decoder", $"{new ByteLevelDecoder()}"),
            ],
        };
    }
}
