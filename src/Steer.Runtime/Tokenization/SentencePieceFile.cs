using System.Collections.Frozen;

namespace Steer.Runtime.Tokenization;

/// <summary>Reads SentencePiece's tokenizer.model: a protocol buffer, ModelProto of its sentencepiece_model.proto.</summary>
internal static class SentencePieceFile
{
    private enum ModelType
    {
        Unigram = 1,
        Bpe = 2,
        Word = 3,
        Char = 4,
    }

    /// <summary>Reads the bytes of a file.</summary>
    /// <exception cref="SteerException">It is damaged or has what is not supported.</exception>
    public static TokenizerParts Read(string file, ReadOnlySpan<byte> bytes)
    {
        var pieces = new List<Piece>();
        var trainer = new Trainer();
        var text = new SentencePieceText(null, AddDummyPrefix: true, RemoveExtraSpaces: true, EscapeSpaces: true, SpaceIsSuffix: false);
        try
        {
            var reader = new ProtobufReader(bytes);
            while (reader.Read())
            {
                switch (reader.Field)
                {
                    case 1:
                        pieces.Add(ReadPiece(reader.Bytes));
                        break;
                    case 2:
                        ReadTrainer(reader.Bytes, trainer);
                        break;
                    case 3:
                        text = ReadNormalizer(file, reader.Bytes);
                        break;
                    case 5 when HasCharsMap(reader.Bytes):
                        throw new SteerException($"{file}: denormalizer_spec is not supported");
                }
            }
        }
        catch (FormatException e)
        {
            throw new SteerException($"{file}: not a SentencePiece model: {e.Message}; the file is damaged", e);
        }

        if (pieces.Count == 0)
            throw new SteerException($"{file}: not a SentencePiece model: it has no pieces");
        return Assemble(file, pieces, trainer, text with { SpaceIsSuffix = trainer.SpaceIsSuffix });
    }

    private static TokenizerParts Assemble(string file, List<Piece> pieces, Trainer trainer, SentencePieceText text)
    {
        var vocabulary = Vocabulary.Create(file, [.. pieces.Select((piece, id) => KeyValuePair.Create(piece.Token, id))]);
        var unknownId = pieces.FindIndex(piece => piece.Type == PieceKind.Unknown);
        if (unknownId < 0)
            throw new SteerException($"{file}: the model has no unknown piece; the file is damaged");
        if (pieces.Any(piece => piece.Token.Length == 0 || !float.IsFinite(piece.Score)))
            throw new SteerException($"{file}: a piece is empty or has a score that is no number; the file is damaged");

        // User-defined tokens are found in the text before the model sees it, and never merged.
        var userDefined = new AddedTokenFinder(Ids(PieceKind.UserDefined)
            .Select(id => (pieces[id].Token, new AddedToken(id, pieces[id].Token, false, false, false, false, false))));
        var model = CreateModel(file, pieces, trainer, vocabulary, unknownId);
        var controls = Ids(PieceKind.Control).ToList();
        var bos = ControlId(trainer.BosPiece);
        var decoder = new SentencePieceDecoder(
            text.EscapeSpaces ? SentencePieceText.Mark : ' ',
            HasBytes: Ids(PieceKind.Byte).Any(),
            StripsPrefix: text.AddDummyPrefix,
            StripsAll: text.RemoveExtraSpaces,
            pieces[unknownId].Token,
            trainer.UnknownSurface,
            controls.Select(id => pieces[id].Token).ToFrozenSet());
        return new TokenizerParts
        {
            File = file,
            Vocabulary = vocabulary,
            Encoder = new SentencePieceEncoder(text, userDefined, new ModelStep(model, byteAlphabet: false)),
            Decoders = [decoder],
            Prefix = bos is { } id ? [id] : [],
            SpecialIds = controls.Append(unknownId).ToFrozenSet(),
            BosId = bos,
            EosId = ControlId(trainer.EosPiece),
            Pipeline =
            [
                ("normalizer", $"{text}"),
                ("user-defined tokens", string.Join(' ', Ids(PieceKind.UserDefined))),
                ("model", $"{model}"),
                ("decoder", $"{decoder}"),
            ],
        };

        IEnumerable<int> Ids(PieceKind type) => Enumerable.Range(0, pieces.Count).Where(id => pieces[id].Type == type);

        int? ControlId(string token) => vocabulary.IdOf(token) is { } id && pieces[id].Type == PieceKind.Control ? id : null;
    }

    private static WordModel CreateModel(string file, List<Piece> pieces, Trainer trainer, Vocabulary vocabulary, int unknownId)
    {
        var found = pieces.Select((piece, id) => (piece.Token, piece.Score, Id: id, piece.Type))
            .Where(piece => piece.Type is PieceKind.Normal or PieceKind.UserDefined)
            .ToList();
        if (found.Count == 0)
            throw new SteerException($"{file}: the model has no pieces that text can become; the file is damaged");
        switch (trainer.ModelType)
        {
            case ModelType.Bpe when pieces.Any(piece => piece.Type == PieceKind.Unused):
                throw new SteerException($"{file}: unused pieces in a BPE model are not supported");
            case ModelType.Bpe:
                return new ScoreBpeModel(
                    vocabulary,
                    [.. found.Select(piece => (piece.Token, piece.Score, piece.Id))],
                    unknownId,
                    trainer.ByteFallback,
                    mergesUnknown: true,
                    SentencePieceText.Mark);
            case ModelType.Unigram:
                // User-defined pieces are cut out of the text before, whatever their score.
                var normal = found.Where(piece => piece.Type == PieceKind.Normal).ToList();
                if (normal.Any(piece => piece.Token.Length > UnigramModel.LongestPiece))
                    throw new SteerException($"{file}: a piece is longer than {UnigramModel.LongestPiece} characters, which is not supported");
                return new UnigramModel(
                    vocabulary,
                    normal.Select(piece => new UnigramPiece(piece.Token, piece.Score, piece.Id)),
                    unknownId,
                    normal.Select(piece => (double)piece.Score).DefaultIfEmpty().Min() - UnigramModel.UnknownPenalty,
                    trainer.ByteFallback,
                    singlePrecision: true);
            default:
                throw new SteerException($"{file}: model type {trainer.ModelType} is not supported; known are Unigram and Bpe");
        }
    }

    private static Piece ReadPiece(ReadOnlySpan<byte> message)
    {
        var piece = new Piece("", 0, PieceKind.Normal);
        var reader = new ProtobufReader(message);
        while (reader.Read())
        {
            piece = reader.Field switch
            {
                1 => piece with { Token = reader.Text() },
                2 => piece with { Score = reader.Single },
                3 when !Enum.IsDefined((PieceKind)reader.Integer) => throw new FormatException($"a piece of unknown type {reader.Integer}"),
                3 => piece with { Type = (PieceKind)reader.Integer },
                _ => piece,
            };
        }

        return piece;
    }

    private static void ReadTrainer(ReadOnlySpan<byte> message, Trainer trainer)
    {
        var reader = new ProtobufReader(message);
        while (reader.Read())
        {
            switch (reader.Field)
            {
                case 3:
                    trainer.ModelType = (ModelType)reader.Integer;
                    break;
                case 24:
                    trainer.SpaceIsSuffix = reader.Flag;
                    break;
                case 35:
                    trainer.ByteFallback = reader.Flag;
                    break;
                case 44:
                    trainer.UnknownSurface = reader.Text();
                    break;
                case 46:
                    trainer.BosPiece = reader.Text();
                    break;
                case 47:
                    trainer.EosPiece = reader.Text();
                    break;
            }
        }
    }

    private static SentencePieceText ReadNormalizer(string file, ReadOnlySpan<byte> message)
    {
        var text = new SentencePieceText(null, AddDummyPrefix: true, RemoveExtraSpaces: true, EscapeSpaces: true, SpaceIsSuffix: false);
        var reader = new ProtobufReader(message);
        while (reader.Read())
        {
            text = reader.Field switch
            {
                2 when !reader.Bytes.IsEmpty => text with { Map = PrecompiledCharsMap.Read(file, reader.Bytes) },
                3 => text with { AddDummyPrefix = reader.Flag },
                4 => text with { RemoveExtraSpaces = reader.Flag },
                5 => text with { EscapeSpaces = reader.Flag },
                _ => text,
            };
        }

        return text;
    }

    private static bool HasCharsMap(ReadOnlySpan<byte> normalizer)
    {
        var reader = new ProtobufReader(normalizer);
        while (reader.Read())
        {
            if (reader.Field == 2 && !reader.Bytes.IsEmpty)
                return true;
        }

        return false;
    }

    private readonly record struct Piece(string Token, float Score, PieceKind Type);

    /// <summary>What the model needs of trainer_spec, with the format's defaults.</summary>
    private sealed class Trainer
    {
        public ModelType ModelType { get; set; } = ModelType.Unigram;

        public bool SpaceIsSuffix { get; set; }

        public bool ByteFallback { get; set; }

        public string UnknownSurface { get; set; } = " \u2047 ";

        public string BosPiece { get; set; } = "<s>";

        public string EosPiece { get; set; } = "</s>";
    }
}

/// <summary>SentencePiece's way from text to ids: the text is prepared, user-defined tokens are cut out, the rest goes to the model.</summary>
internal sealed class SentencePieceEncoder(SentencePieceText text, AddedTokenFinder userDefined, TextStep model) : ITextEncoder
{
    /// <inheritdoc/>
    public void Encode(string input, List<int> into)
    {
        var normalized = text.Normalize(TextPipeline.WellFormed(input), userDefined);
        var (from, taken) = (0, 0);
        while (userDefined.TryFind(normalized, ref from, taken, out var start, out var end, out var id))
        {
            if (start > taken)
                model.Add(normalized.AsSpan(taken..start), taken == 0, into);
            into.Add(id);
            taken = end;
        }

        if (taken < normalized.Length)
            model.Add(normalized.AsSpan(taken), taken == 0, into);
    }
}
