using System.Collections.Frozen;
using System.Globalization;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Reads the vocabulary of a GGUF file: tokens with their kinds, and either merges and the name of a pre-tokenizer (byte-level BPE, called gpt2
/// whatever the model) or scores (SentencePiece's BPE, called llama). Special tokens are found in texts, as Hugging Face's tokenizers do it.
/// </summary>
internal static class GgufVocabulary
{
    private const string Model = "tokenizer.ggml.model";

    private sealed record Tokens(string File, GgufMetadata Metadata, string[] Texts, PieceKind[] Kinds)
    {
        // Ids above those of the tokenizer, which an embedding has so that its height is a round number.
        public bool IsPadding(int id) =>
            Kinds[id] != PieceKind.Normal && Texts[id] == string.Create(CultureInfo.InvariantCulture, $"[PAD{id}]");

        public IEnumerable<int> Of(params PieceKind[] kinds) =>
            Enumerable.Range(0, Texts.Length).Where(id => kinds.Contains(Kinds[id]) && !IsPadding(id));
    }

    /// <summary>Whether a file holds a vocabulary.</summary>
    public static bool IsIn(GgufFile file) => file.Metadata.TextOrNull(Model) is not (null or "none" or "no_vocab");

    /// <summary>Reads the vocabulary of a file.</summary>
    /// <exception cref="SteerException">There is none, it is damaged, or of a kind that is not known.</exception>
    public static TokenizerParts Read(GgufFile file)
    {
        var metadata = file.Metadata;
        var model = IsIn(file) ? metadata.Text(Model) : throw new SteerException($"{file.Path}: holds no tokenizer; give one beside it");
        if (model is not ("gpt2" or "llama"))
        {
            throw new SteerException(
                $"{file.Path}: {Model} names {Vocabulary.Show(model)}, which is not known; known are gpt2 and llama; give a tokenizer beside it");
        }

        var texts = metadata.TextsOrNull("tokenizer.ggml.tokens") ?? [];
        var kinds = metadata.IntegersOrNull("tokenizer.ggml.token_type") ?? [.. texts.Select(_ => (long)PieceKind.Normal)];
        if (texts.Length == 0 || kinds.Length != texts.Length || kinds.Any(kind => !Enum.IsDefined((PieceKind)kind)))
        {
            throw new SteerException(
                $"{file.Path}: its {texts.Length} tokens have {kinds.Length} kinds, or kinds that are not known; the file is damaged");
        }

        var tokens = new Tokens(file.Path, metadata, texts, [.. kinds.Select(kind => (PieceKind)kind)]);
        return model == "gpt2" ? ByteLevel(tokens) : SentencePiece(tokens);
    }

    private static TokenizerParts ByteLevel(Tokens tokens)
    {
        var pre = GgufPreTokenizers.Find(tokens.File, tokens.Metadata.TextOrNull("tokenizer.ggml.pre"));
        var vocabulary = CreateVocabulary(tokens);
        var merges = (tokens.Metadata.TextsOrNull("tokenizer.ggml.merges") ?? [])
            .Select((merge, rank) => ReadMerge(tokens.File, merge, rank))
            .ToList();
        var model = BpeModel.Create(tokens.File, vocabulary, merges, new BpeOptions(-1, false, false, pre.IgnoreMerges));
        return Assemble(
            tokens, vocabulary, pre.ReadNormalizer(tokens.File), pre.ReadSteps(tokens.File, model), [new ByteLevelDecoder()], pre.AddsBos,
            defaultBos: null, defaultEos: null);
    }

    private static TokenizerParts SentencePiece(Tokens tokens)
    {
        var vocabulary = CreateVocabulary(tokens);
        var scores = tokens.Metadata.FloatsOrNull("tokenizer.ggml.scores") ?? [];
        if (scores.Length != tokens.Texts.Length || !scores.All(float.IsFinite))
        {
            throw new SteerException(
                $"{tokens.File}: its {tokens.Texts.Length} tokens have {scores.Length} scores, or scores that are no numbers; the file is damaged");
        }

        var pieces = tokens.Of(PieceKind.Normal)
            .Where(id => tokens.Texts[id].Length > 0)
            .Select(id => (tokens.Texts[id], scores[id], id))
            .ToList();
        if (pieces.Count == 0)
            throw new SteerException($"{tokens.File}: has no tokens that text can become; the file is damaged");
        var unknownId = SpecialId(tokens, "unknown") ?? tokens.Of(PieceKind.Unknown).FirstOrDefault();
        var model = new ScoreBpeModel(vocabulary, pieces, unknownId, byteFallback: true, mergesUnknown: true, SentencePieceText.Mark);

        var addsPrefix = tokens.Metadata.BoolOrNull("tokenizer.ggml.add_space_prefix") ?? true;
        Normalizer escape = new ReplaceCharNormalizer(' ', SentencePieceText.Mark);
        var normalizer = addsPrefix ? new SequenceNormalizer([new PrependNormalizer(SentencePieceText.Mark.ToString()), escape]) : escape;
        var decoders = GgufPreTokenizers.ReadDecoders(tokens.File, addsPrefix);
        var steps = new ModelStep(model, byteAlphabet: false);
        return Assemble(tokens, vocabulary, normalizer, steps, decoders, addsBos: true, defaultBos: 1, defaultEos: 2);
    }

    private static TokenizerParts Assemble(
        Tokens tokens, Vocabulary vocabulary, Normalizer? normalizer, TextStep steps, IReadOnlyList<DecoderSpec> decoders, bool addsBos,
        int? defaultBos, int? defaultEos)
    {
        List<AddedToken> added = [.. tokens.Of(PieceKind.Control, PieceKind.UserDefined, PieceKind.Unknown)
            .Where(id => tokens.Texts[id].Length > 0)
            .Select(id => new AddedToken(id, tokens.Texts[id], false, false, false, false, tokens.Kinds[id] != PieceKind.UserDefined))];
        int? bos = SpecialId(tokens, "bos") ?? IfToken(vocabulary, defaultBos), eos = SpecialId(tokens, "eos") ?? IfToken(vocabulary, defaultEos);
        return new TokenizerParts
        {
            File = tokens.File,
            Vocabulary = vocabulary,
            Encoder = new TextPipeline(
                new AddedTokenFinder(added.Select(token => (token.Content, token))), new AddedTokenFinder([]), normalizer, steps),
            Decoders = decoders,
            Prefix = bos is { } first && (tokens.Metadata.BoolOrNull("tokenizer.ggml.add_bos_token") ?? addsBos) ? [first] : [],
            Suffix = eos is { } last && tokens.Metadata.BoolOrNull("tokenizer.ggml.add_eos_token") == true ? [last] : [],
            BosId = bos,
            EosId = eos,
            SpecialIds = added.Where(token => token.Special).Select(token => token.Id).ToFrozenSet(),
            Pipeline =
            [
                ("added tokens", AddedToken.Describe(added)),
                ("normalizer", $"{normalizer}"),
                ("pre-tokenizer and model", $"{steps}"),
                ("decoder", string.Join(" > ", decoders)),
            ],
        };
    }

    private static Vocabulary CreateVocabulary(Tokens tokens) => Vocabulary.Create(
        tokens.File,
        [.. Enumerable.Range(0, tokens.Texts.Length).Where(id => !tokens.IsPadding(id)).Select(id => KeyValuePair.Create(tokens.Texts[id], id))],
        allowRepeatedTokens: true);

    private static (string Left, string Right) ReadMerge(string file, string merge, int rank) =>
        merge.Split(' ') is [{ Length: > 0 } left, { Length: > 0 } right]
            ? (left, right)
            : throw new SteerException(string.Create(
                CultureInfo.InvariantCulture, $"{file}: merge {rank}, {Vocabulary.Show(merge)}, must have two halves; the file is damaged"));

    private static int? SpecialId(Tokens tokens, string name)
    {
        var key = $"tokenizer.ggml.{name}_token_id";
        return tokens.Metadata.IntegerOrNull(key) switch
        {
            null => null,
            var id when id >= 0 && id < tokens.Texts.Length => (int)id,
            var id => throw new SteerException($"{tokens.File}: {key} is {id}, but there are {tokens.Texts.Length} tokens; the file is damaged"),
        };
    }

    private static int? IfToken(Vocabulary vocabulary, int? id) => id is { } number && vocabulary.TokenOf(number) is not null ? id : null;
}
