using System.Buffers;
using System.Globalization;
using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>Options of byte-pair encoding in tokenizer.json.</summary>
/// <param name="UnknownId">Stands for a character that is no token; -1 drops it.</param>
/// <param name="FuseUnknown">Neighbouring unknown characters are one token.</param>
/// <param name="ByteFallback">A character that is no token becomes the tokens of its bytes, "&lt;0x00&gt;" to "&lt;0xFF&gt;".</param>
/// <param name="IgnoreMerges">A word that is a token is that token, whatever the merges make of it.</param>
internal sealed record BpeOptions(int UnknownId, bool FuseUnknown, bool ByteFallback, bool IgnoreMerges);

/// <summary>Byte-pair encoding by a list of merges, as tokenizer.json and GPT-2's files have it.</summary>
internal sealed class BpeModel : WordModel
{
    private const char Metaspace = SentencePieceText.Mark;

    private readonly Vocabulary _vocabulary;
    private readonly MergeTable _merges;
    private readonly BpeOptions _options;
    private readonly string _mergesHash;
    private readonly Dictionary<int, int> _idOfRune = [];
    private readonly int[] _idOfByte;

    private BpeModel(Vocabulary vocabulary, MergeTable merges, string mergesHash, BpeOptions options, bool cutAtMetaspace)
    {
        (_vocabulary, _merges, _mergesHash, _options) = (vocabulary, merges, mergesHash, options);
        WordStart = cutAtMetaspace ? Metaspace : null;
        for (var id = 0; id < vocabulary.Size; id++)
        {
            if (vocabulary.TokenOf(id) is { Length: 1 or 2 } token && Rune.DecodeFromUtf16(token, out var rune, out var width) == OperationStatus.Done
                && width == token.Length)
                _idOfRune[rune.Value] = id;
        }

        _idOfByte = ByteTokens.Find(vocabulary);
    }

    /// <inheritdoc/>
    public override char? WordStart { get; }

    /// <summary>Makes a model of merges, the first of which has rank 0.</summary>
    /// <exception cref="SteerException">A merge names, or makes, what is no token.</exception>
    public static BpeModel Create(string file, Vocabulary vocabulary, IReadOnlyList<(string Left, string Right)> merges, BpeOptions options)
    {
        var table = new MergeTable(merges.Count);
        var hash = new DescriptionHash();
        var cutAtMetaspace = vocabulary.IdOf(Metaspace.ToString()) is not null;
        var byText = vocabulary.IdsBySpan;
        Span<char> buffer = stackalloc char[256];
        for (var rank = 0; rank < merges.Count; rank++)
        {
            var (left, right) = merges[rank];
            var length = left.Length + right.Length;
            var joined = length <= buffer.Length ? buffer[..length] : new char[length];
            left.CopyTo(joined);
            right.CopyTo(joined[left.Length..]);
            if (left.Length == 0 || right.Length == 0 || !byText.TryGetValue(left, out var leftId) || !byText.TryGetValue(right, out var rightId)
                || !byText.TryGetValue(joined, out var id))
            {
                throw new SteerException(
                    $"{file}: merge {rank.ToString(CultureInfo.InvariantCulture)}, {Vocabulary.Show(left)} with {Vocabulary.Show(right)},"
                    + " names or makes a token that is not in the vocabulary; the file is damaged");
            }

            table.Set(leftId, rightId, rank, id);
            hash.Add(left);
            hash.Add(right);
            cutAtMetaspace &= right[0] != Metaspace || left[^1] == Metaspace;
        }

        return new BpeModel(vocabulary, table, hash.ToString(), options, cutAtMetaspace);
    }

    /// <inheritdoc/>
    public override void Encode(ReadOnlySpan<char> word, List<int> into)
    {
        if (_options.IgnoreMerges && _vocabulary.IdsBySpan.TryGetValue(word, out var whole))
        {
            into.Add(whole);
            return;
        }

        // A character becomes at most four symbols: its bytes, of which there are at most three per UTF-16 unit.
        var most = word.Length * (_options.ByteFallback ? 3 : 1);
        var rented = most <= 64 ? null : ArrayPool<Symbol>.Shared.Rent(most);
        var symbols = rented ?? stackalloc Symbol[64];
        symbols = symbols[..Split(word, symbols)];
        symbols = symbols[..BpeMerger.Merge(symbols, new RankRule(_merges))];
        foreach (var symbol in symbols)
            into.Add(symbol.Id);
        if (rented is not null)
            ArrayPool<Symbol>.Shared.Return(rented);
    }

    /// <inheritdoc/>
    public override string ToString() => $"BPE({_options}, merges {_mergesHash})";

    /// <summary>Writes the tokens of single characters and returns how many there are.</summary>
    private int Split(ReadOnlySpan<char> word, Span<Symbol> symbols)
    {
        var count = 0;
        var unknown = 0; // characters seen that are no token, not yet written as one
        Span<byte> utf8 = stackalloc byte[4];
        for (var at = 0; at < word.Length;)
        {
            Rune.DecodeFromUtf16(word[at..], out var rune, out var width);
            if (_idOfRune.TryGetValue(rune.Value, out var id))
            {
                WriteUnknown(symbols);
                symbols[count++] = new Symbol(at, width, id);
            }
            else if (_options.ByteFallback
                && ByteTokens.TryWrite(utf8[..rune.EncodeToUtf8(utf8)], _idOfByte, symbols[count..]) is > 0 and var written)
            {
                count += written;
            }
            else if (_options.UnknownId >= 0)
            {
                if (!_options.FuseUnknown)
                    WriteUnknown(symbols);
                unknown++;
            }

            at += width;
        }

        WriteUnknown(symbols);
        return count;

        void WriteUnknown(Span<Symbol> symbols)
        {
            if (unknown > 0)
                symbols[count++] = new Symbol(0, 0, _options.UnknownId);
            unknown = 0;
        }
    }

    private readonly struct RankRule(MergeTable merges) : IMergeRule
    {
        public bool TryMerge(in Symbol left, in Symbol right, out int rank, out int id) => merges.TryGet(left.Id, right.Id, out rank, out id);
    }
}
