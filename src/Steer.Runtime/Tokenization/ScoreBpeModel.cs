using System.Buffers;
using System.Globalization;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>
/// Byte-pair encoding by scores, as SentencePiece and llama2.c have it: neighbours whose joined text is a token may be merged, the highest score
/// first. A character that is in no token becomes the tokens of its bytes, or one unknown token with its neighbours of that kind.
/// </summary>
internal sealed class ScoreBpeModel : WordModel
{
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idOf;
    private readonly int[] _ranks; // by id: 0 for the highest score; -1 for a token that text never becomes
    private readonly int _longest;
    private readonly int[]? _idOfByte;
    private readonly int _unknownId;
    private readonly bool _mergesUnknown;
    private readonly string _hash;

    /// <summary>Makes a model.</summary>
    /// <param name="vocabulary">All tokens.</param>
    /// <param name="pieces">The tokens that text may become, with their scores.</param>
    /// <param name="unknownId">Stands for unknown characters.</param>
    /// <param name="byteFallback">Bytes stand for unknown characters, if all 256 of their tokens are there.</param>
    /// <param name="mergesUnknown">A character that is no token by itself can be part of a longer one (SentencePiece; not llama2.c).</param>
    /// <param name="mark">What a space is in tokens.</param>
    public ScoreBpeModel(
        Vocabulary vocabulary, IReadOnlyCollection<(string Token, float Score, int Id)> pieces, int unknownId, bool byteFallback, bool mergesUnknown,
        char mark)
    {
        _idOf = vocabulary.IdsBySpan;
        (_unknownId, _mergesUnknown) = (unknownId, mergesUnknown);
        _ranks = new int[vocabulary.Size];
        Array.Fill(_ranks, -1);
        var rank = -1;
        var previous = float.NaN;
        foreach (var piece in pieces.OrderByDescending(piece => piece.Score))
        {
            if (piece.Score != previous)
                rank++;
            (_ranks[piece.Id], previous) = (rank, piece.Score);
        }

        _longest = pieces.Max(piece => piece.Token.Length);
        _idOfByte = byteFallback ? ByteTokens.Find(vocabulary) : null;
        if (_idOfByte?.Contains(-1) == true)
            _idOfByte = null;
        WordStart = SentencePieceText.WordStart(pieces.Select(piece => piece.Token), mark);
        var hash = new DescriptionHash();
        foreach (var (token, score, id) in pieces)
        {
            hash.Add(token);
            hash.Add(score);
            hash.Add(id);
        }

        _hash = hash.ToString();
    }

    /// <inheritdoc/>
    public override char? WordStart { get; }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> into)
    {
        var rented = word.Length <= 64 ? null : ArrayPool<Symbol>.Shared.Rent(word.Length);
        var symbols = rented ?? stackalloc Symbol[64];
        var count = 0;
        for (var at = 0; at < word.Length;)
        {
            Rune.DecodeFromUtf16(word[at..], out _, out var width);
            symbols[count++] = new Symbol(at, width, Find(word.Slice(at, width)));
            at += width;
        }

        symbols = symbols[..count];
        symbols = symbols[..BpeMerger.Merge(symbols, new ScoreRule(this, word))];
        var first = into.Count;
        foreach (var symbol in symbols)
        {
            if (symbol.Id >= 0)
                into.Add(symbol.Id);
            else if (_idOfByte is not null)
                AddBytes(word.Slice(symbol.Start, symbol.Length), into);
            else if (into.Count == first || into[^1] != _unknownId)
                into.Add(_unknownId);
        }

        if (rented is not null)
            ArrayPool<Symbol>.Shared.Return(rented);
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"BPE by score(unknown {_unknownId}, bytes {_idOfByte is not null}, merges unknown {_mergesUnknown}, pieces {_hash})");

    private int Find(ReadOnlySpan<char> text) => _idOf.TryGetValue(text, out var id) && _ranks[id] >= 0 ? id : -1;

    private void AddBytes(ReadOnlySpan<char> character, List<int> into)
    {
        Span<byte> utf8 = stackalloc byte[4];
        Rune.DecodeFromUtf16(character, out var rune, out _);
        foreach (var value in utf8[..rune.EncodeToUtf8(utf8)])
            into.Add(_idOfByte![value]);
    }

    private readonly ref struct ScoreRule(ScoreBpeModel model, ReadOnlySpan<char> word) : IMergeRule
    {
        private readonly ReadOnlySpan<char> _word = word;

        public bool TryMerge(in Symbol left, in Symbol right, out int rank, out int id)
        {
            (rank, id) = (0, -1);
            var length = left.Length + right.Length;
            if (length > model._longest || (!model._mergesUnknown && (left.Id < 0 || right.Id < 0)))
                return false;
            id = model.Find(_word.Slice(left.Start, length));
            if (id < 0)
                return false;
            rank = model._ranks[id];
            return true;
        }
    }
}
