using System.Buffers;
using System.Globalization;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>A token of a unigram model.</summary>
/// <param name="Token">Its text; an empty one is never found.</param>
/// <param name="Score">Its log-probability.</param>
/// <param name="Id">Its id.</param>
internal readonly record struct UnigramPiece(string Token, double Score, int Id);

/// <summary>
/// A unigram language model (Kudo, arXiv 1804.10959): of all ways to cut a word into tokens, the one of the highest sum of scores, by Viterbi's
/// algorithm. Neighbouring characters that are no token are one unknown token, or their bytes.
/// </summary>
internal sealed class UnigramModel : WordModel
{
    /// <summary>
    /// Longest token that text can become, in characters: on a text that looks like longer ones Viterbi's algorithm would be slow.
    /// SentencePiece trains none above 16 unless told to.
    /// </summary>
    public const int LongestPiece = 256;

    /// <summary>How far below the lowest score an unknown character is.</summary>
    public const double UnknownPenalty = 10;

    private readonly UnigramPiece[] _pieces; // in ordinal order of their text, so that those with one beginning are neighbours
    private readonly Dictionary<char, (int First, int End)> _byFirst = [];
    private readonly int _unknownId;
    private readonly double _unknownScore;
    private readonly int[]? _idOfByte;
    private readonly bool _singlePrecision;

    /// <summary>Makes a model.</summary>
    /// <param name="vocabulary">All tokens.</param>
    /// <param name="pieces">The tokens that text may become.</param>
    /// <param name="unknownId">Stands for unknown characters.</param>
    /// <param name="unknownScore">Score of one unknown character.</param>
    /// <param name="byteFallback">Bytes stand for unknown characters, if all 256 of their tokens are there.</param>
    /// <param name="singlePrecision">
    /// Sums are kept in float32, as SentencePiece does: where two ways are equally good ("-" "--" and "--" "-"), rounding decides.
    /// </param>
    public UnigramModel(
        Vocabulary vocabulary, IEnumerable<UnigramPiece> pieces, int unknownId, double unknownScore, bool byteFallback, bool singlePrecision)
    {
        _pieces = pieces.Where(piece => piece.Token.Length > 0 && piece.Id != unknownId).ToArray();
        Array.Sort(_pieces, (a, b) => string.CompareOrdinal(a.Token, b.Token));
        for (var first = 0; first < _pieces.Length;)
        {
            var c = _pieces[first].Token[0];
            var end = Narrow(first, _pieces.Length, 0, c).End;
            _byFirst[c] = (first, end);
            first = end;
        }

        (_unknownId, _unknownScore) = (unknownId, unknownScore);
        _idOfByte = byteFallback ? ByteTokens.Find(vocabulary) : null;
        if (_idOfByte?.Contains(-1) == true)
            _idOfByte = null;
        _singlePrecision = singlePrecision;
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> into)
    {
        // Of the best way to cut the first n characters: its score, where its last token begins, and that token.
        var scores = ArrayPool<double>.Shared.Rent(word.Length + 1);
        var starts = ArrayPool<int>.Shared.Rent(word.Length + 1);
        var ids = ArrayPool<int>.Shared.Rent(word.Length + 1);
        Array.Fill(scores, double.NegativeInfinity, 0, word.Length + 1);
        scores[0] = 0;
        for (var at = 0; at < word.Length;)
        {
            Rune.DecodeFromUtf16(word[at..], out _, out var width);
            var isToken = false;
            if (_byFirst.TryGetValue(word[at], out var range))
            {
                for (var length = 1; range.First < range.End; length++)
                {
                    if (_pieces[range.First] is var piece && piece.Token.Length == length)
                    {
                        isToken |= length == width;
                        Consider(scores, starts, ids, at, length, piece.Score, piece.Id);
                    }

                    if (at + length >= word.Length)
                        break;
                    range = Narrow(range.First, range.End, length, word[at + length]);
                }
            }

            if (!isToken)
                Consider(scores, starts, ids, at, width, _unknownScore, _unknownId);
            at += width;
        }

        Write(word, starts, ids, into);
        ArrayPool<double>.Shared.Return(scores);
        ArrayPool<int>.Shared.Return(starts);
        ArrayPool<int>.Shared.Return(ids);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        var hash = new DescriptionHash();
        foreach (var (token, score, id) in _pieces)
        {
            hash.Add(token);
            hash.Add(score);
            hash.Add(id);
        }

        return string.Create(
            CultureInfo.InvariantCulture, $"Unigram(unknown {_unknownId} {_unknownScore:R}, bytes {_idOfByte is not null}, pieces {hash})");
    }

    private void Consider(double[] scores, int[] starts, int[] ids, int at, int length, double score, int id)
    {
        var end = at + length;
        // Never below the range of numbers: a place that no token reaches would have no way to it.
        var sum = Math.Max(scores[at] + score, _singlePrecision ? float.MinValue : double.MinValue);
        if (sum > scores[end])
            (scores[end], starts[end], ids[end]) = (_singlePrecision ? (float)sum : sum, at, id);
    }

    private void Write(ReadOnlySpan<char> word, int[] starts, int[] ids, List<int> into)
    {
        var first = into.Count;
        for (var end = word.Length; end > 0; end = starts[end])
        {
            if (ids[end] != _unknownId)
                into.Add(ids[end]);
            else if (_idOfByte is not null)
                AddBytes(word[starts[end]..end], into);
            else if (end == word.Length || into[^1] != _unknownId)
                into.Add(_unknownId);
        }

        into.Reverse(first, into.Count - first);
    }

    /// <summary>Adds the tokens of a character's bytes, last one first.</summary>
    private void AddBytes(ReadOnlySpan<char> character, List<int> into)
    {
        Span<byte> utf8 = stackalloc byte[4];
        Rune.DecodeFromUtf16(character, out var rune, out _);
        for (var i = rune.EncodeToUtf8(utf8) - 1; i >= 0; i--)
            into.Add(_idOfByte![utf8[i]]);
    }

    /// <summary>Of pieces that are alike up to a place, those that have a character there.</summary>
    private (int First, int End) Narrow(int first, int end, int place, char c)
    {
        return (Bound(first, end, c), Bound(first, end, c + 1));

        int Bound(int low, int high, int limit)
        {
            while (low < high)
            {
                var middle = (low + high) / 2;
                var token = _pieces[middle].Token;
                if (token.Length <= place || token[place] < limit)
                    low = middle + 1;
                else
                    high = middle;
            }

            return low;
        }
    }
}
