using System.Collections.Frozen;
using System.Text.Json;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Reads tokenizer.json, the format of Hugging Face's tokenizers: a pipeline of named components and a vocabulary. A component that is not known is
/// refused by its name. `truncation` and `padding` are settings of a batch, not of the tokenizer, and are not read.
/// </summary>
internal static class TokenizerJson
{
    private const int LongestAddedToken = 4096;

    /// <summary>Reads the bytes of a file.</summary>
    /// <exception cref="SteerException">It is damaged or has a component that is not known.</exception>
    public static TokenizerParts Read(string file, ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonPart.Parse(file, json, "a tokenizer.json", out var root);
            return Read(root);
        }
        catch (InvalidDataException e)
        {
            throw new SteerException($"{file}: its normalizer is not sound: {e.Message}", e);
        }
    }

    private static TokenizerParts Read(JsonPart root)
    {
        var added = ReadAddedTokens(root);
        var (vocabulary, createModel) = ReadModel(root.Required("model"), added);
        var normalizer = root.Member("normalizer") is { } normalizerPart ? NormalizerReader.Read(normalizerPart) : null;
        var steps = PreTokenizerReader.Read(root.Member("pre_tokenizer"), createModel());
        var (prefix, suffix) = root.Member("post_processor") is { } postProcessor ? PostProcessorReader.Read(postProcessor, vocabulary) : ([], []);
        var decoders = root.Member("decoder") is { } decoder ? DecoderReader.Read(decoder) : [new SpaceJoinDecoder()];

        var inText = new AddedTokenFinder(added.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        var inNormalized = new AddedTokenFinder(added
            .Where(token => token.Normalized)
            .Select(token => (normalizer?.Apply(token.Content) ?? token.Content, token))
            .Where(pair => pair.Item1.Length > 0));
        return new TokenizerParts
        {
            File = root.File,
            Vocabulary = vocabulary,
            Encoder = new TextPipeline(inText, inNormalized, normalizer, steps),
            Decoders = decoders,
            Prefix = prefix,
            Suffix = suffix,
            BosId = prefix is [var bos] ? bos : null,
            SpecialIds = added.Where(token => token.Special).Select(token => token.Id).ToFrozenSet(),
            Pipeline =
            [
                ("added tokens", Describe(added, hasNormalizer: normalizer is not null)),
                ("normalizer", $"{normalizer}"),
                ("pre-tokenizer and model", $"{steps}"),
                ("decoder", string.Join(" > ", decoders)),
            ],
        };
    }

    private static List<AddedToken> ReadAddedTokens(JsonPart root)
    {
        var tokens = new List<AddedToken>();
        foreach (var part in root.Member("added_tokens")?.Items() ?? [])
        {
            var token = new AddedToken(
                part.Required("id").Integer(),
                part.Required("content").Text(),
                part.Flag("single_word", false),
                part.Flag("lstrip", false),
                part.Flag("rstrip", false),
                part.Flag("normalized", false),
                part.Flag("special", false));
            if (token.Content.Length > LongestAddedToken)
                throw part.Error($"'content' is longer than {LongestAddedToken} characters");
            if (token.Content.Length > 0)
                tokens.Add(token);
        }

        return tokens;
    }

    /// <summary>Without a normaliser it does not matter which tokens are looked for before it and which after.</summary>
    private static string Describe(List<AddedToken> added, bool hasNormalizer) =>
        AddedToken.Describe(added.Select(token => token with { Normalized = token.Normalized && hasNormalizer }));

    private static (Vocabulary Vocabulary, Func<WordModel> CreateModel) ReadModel(JsonPart model, List<AddedToken> added)
    {
        // Old files leave the type out; then it is BPE if there are merges.
        var type = model.Member("type")?.Text() ?? (model.Member("merges") is null ? "" : "BPE");
        switch (type)
        {
            case "BPE":
                var vocabulary = WithAdded(model, ReadVocab(model.Required("vocab")), added);
                return (vocabulary, () => ReadBpe(model, vocabulary));
            case "Unigram":
                var pieces = model.Required("vocab").Items().Select(ReadPiece).ToList();
                var unigramVocabulary = WithAdded(model, pieces.Select((piece, id) => KeyValuePair.Create(piece.Token, id)), added);
                return (unigramVocabulary, () => ReadUnigram(model, unigramVocabulary, pieces));
            default:
                throw model.Unknown("model", type, "BPE and Unigram");
        }
    }

    /// <summary>Reads {"token": id, ...}.</summary>
    public static IEnumerable<KeyValuePair<string, int>> ReadVocab(JsonPart vocab)
    {
        foreach (var (token, value) in vocab.Members())
        {
            if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out var id))
                throw vocab.Error($"the id of {Vocabulary.Show(token)} must be an integer");
            yield return KeyValuePair.Create(token, id);
        }
    }

    private static (string Token, double Score) ReadPiece(JsonPart piece)
    {
        var fields = piece.Items().ToArray();
        if (fields.Length != 2 || fields[1].Element.ValueKind != JsonValueKind.Number || !fields[1].Element.TryGetDouble(out var score)
            || !double.IsFinite(score))
            throw piece.Error("must be a token and its score");
        var token = fields[0].Text();
        return token.Length <= UnigramModel.LongestPiece
            ? (token, score)
            : throw piece.Error($"is longer than {UnigramModel.LongestPiece} characters");
    }

    /// <summary>The model's tokens and those that are only added. One that is both must have one id.</summary>
    private static Vocabulary WithAdded(JsonPart model, IEnumerable<KeyValuePair<string, int>> vocab, List<AddedToken> added)
    {
        var tokens = vocab.ToList();
        var ofModel = tokens.ToHashSet();
        tokens.AddRange(added
            .Where(token => !ofModel.Contains(KeyValuePair.Create(token.Content, token.Id)))
            .Select(token => KeyValuePair.Create(token.Content, token.Id)));
        if (tokens.Count == 0)
            throw model.Error("the vocabulary is empty");
        return Vocabulary.Create(model.File, tokens);
    }

    private static BpeModel ReadBpe(JsonPart model, Vocabulary vocabulary)
    {
        foreach (var affix in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (model.Member(affix)?.Text() is { Length: > 0 })
                throw model.Error($"'{affix}' is not supported");
        }

        if (model.Member("dropout") is { } dropout
            && !(dropout.Element.ValueKind == JsonValueKind.Number && dropout.Element.TryGetDouble(out var p) && p == 0))
            throw dropout.Error("dropout makes tokens random and is not supported");
        var unknownId = -1;
        if (model.Member("unk_token") is { } unknown)
            unknownId = vocabulary.IdOf(unknown.Text()) ?? throw unknown.Error($"token {Vocabulary.Show(unknown.Text())} is not in the vocabulary");
        var options = new BpeOptions(
            unknownId, model.Flag("fuse_unk", false), model.Flag("byte_fallback", false), model.Flag("ignore_merges", false));
        return BpeModel.Create(model.File, vocabulary, [.. model.Required("merges").Items().Select(ReadMerge)], options);
    }

    /// <summary>A merge is a pair, or in older files a text with a space between its halves.</summary>
    private static (string Left, string Right) ReadMerge(JsonPart merge)
    {
        if (merge.Element.ValueKind == JsonValueKind.Array)
        {
            var halves = merge.Items().ToArray();
            return halves.Length == 2 ? (halves[0].Text(), halves[1].Text()) : throw merge.Error("must have two halves");
        }

        var text = merge.Text();
        var space = text.IndexOf(' ');
        if (space < 0 || text.IndexOf(' ', space + 1) >= 0)
            throw merge.Error("must have two halves with a space between them");
        return (text[..space], text[(space + 1)..]);
    }

    private static UnigramModel ReadUnigram(JsonPart model, Vocabulary vocabulary, List<(string Token, double Score)> pieces)
    {
        var unknownId = model.Required("unk_id").Integer();
        if (unknownId < 0 || unknownId >= pieces.Count)
            throw model.Error($"unk_id {unknownId} is not in the vocabulary");
        var unknownScore = pieces.Min(piece => piece.Score) - UnigramModel.UnknownPenalty;
        return new UnigramModel(
            vocabulary,
            pieces.Select((piece, id) => new UnigramPiece(piece.Token, piece.Score, id)),
            unknownId,
            unknownScore,
            model.Flag("byte_fallback", false),
            singlePrecision: false);
    }
}
