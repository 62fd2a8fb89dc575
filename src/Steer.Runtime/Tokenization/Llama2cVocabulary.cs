using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Reads llama2.c's tokenizer.bin: i32 longest token, then for each token f32 score, i32 length in bytes, bytes; little-endian, a space for
/// SentencePiece's mark. Tokens 1 and 2 begin and end a sequence; bytes are tokens "&lt;0x00&gt;" to "&lt;0xFF&gt;".
/// </summary>
internal static class Llama2cVocabulary
{
    private const int BosId = 1;
    private const int EosId = 2;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads the bytes of a file.</summary>
    /// <exception cref="SteerException">It is damaged.</exception>
    public static TokenizerParts Read(string file, ReadOnlySpan<byte> bytes)
    {
        var pieces = ReadPieces(file, bytes);
        var vocabulary = Vocabulary.Create(file, [.. pieces.Select(piece => KeyValuePair.Create(piece.Token, piece.Id))], allowRepeatedTokens: true);
        var special = pieces.Take(3).Where(piece => piece.Token.Trim() is ['<', .., '>']).ToList();
        var model = new ScoreBpeModel(vocabulary, pieces, unknownId: 0, byteFallback: true, mergesUnknown: false, ' ');
        var text = new SentencePieceText(null, AddDummyPrefix: true, RemoveExtraSpaces: false, EscapeSpaces: false, SpaceIsSuffix: false);
        var decoder = new SentencePieceDecoder(
            ' ', HasBytes: true, StripsPrefix: true, StripsAll: false, null, "", special.Select(piece => piece.Token).ToFrozenSet());
        return new TokenizerParts
        {
            File = file,
            Vocabulary = vocabulary,
            Encoder = new SentencePieceEncoder(text, new AddedTokenFinder([]), new ModelStep(model, byteAlphabet: false)),
            Decoders = [decoder],
            Prefix = [BosId],
            SpecialIds = special.Select(piece => piece.Id).ToFrozenSet(),
            BosId = BosId,
            EosId = EosId,
            Pipeline = [("model", $"{model}")],
        };
    }

    private static List<(string Token, float Score, int Id)> ReadPieces(string file, ReadOnlySpan<byte> bytes)
    {
        var pieces = new List<(string Token, float Score, int Id)>();
        for (var rest = bytes.Length >= 4 ? bytes[4..] : []; !rest.IsEmpty;)
        {
            var score = rest.Length >= 8 ? BinaryPrimitives.ReadSingleLittleEndian(rest) : float.NaN;
            var length = rest.Length >= 8 ? BinaryPrimitives.ReadInt32LittleEndian(rest[4..]) : -1;
            if (length < 0 || length > rest.Length - 8 || !float.IsFinite(score))
                throw Damaged(file, pieces.Count);
            try
            {
                pieces.Add((Strict.GetString(rest.Slice(8, length)), score, pieces.Count));
            }
            catch (DecoderFallbackException)
            {
                throw Damaged(file, pieces.Count);
            }

            rest = rest[(8 + length)..];
        }

        return pieces.Count > EosId ? pieces : throw new SteerException($"{file}: not a llama2.c tokenizer: it has {pieces.Count} tokens");
    }

    private static SteerException Damaged(string file, int token) => new($"{file}: not a llama2.c tokenizer: token {token} is damaged");
}
