using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Steer.Runtime.Tokenization;

/// <summary>A model: a word to the ids of its tokens. Safe for several threads at once. Its ToString describes it fully.</summary>
internal abstract class WordModel
{
    /// <summary>Appends the ids of a word.</summary>
    public abstract void Encode(ReadOnlySpan<char> word, List<int> into);

    /// <summary>
    /// A character before which a text may be cut without changing a token, because no token has it after another character. Null if there is none:
    /// then a text without words is one long word to the model.
    /// </summary>
    public virtual char? WordStart => null;
}

/// <summary>
/// The last step: words to ids by the model, with a cache, since most words of a text come again. The cache is a table of fixed size without locks: a
/// word has one place, the last one to come stays, and readers see a whole entry or another whole entry.
/// </summary>
internal sealed class ModelStep : TextStep
{
    private const int CacheSize = 1 << 15;
    private const int LongestCached = 32;

    private readonly WordModel _model;
    private readonly bool _byteAlphabet;
    private readonly char? _wordStart;
    private readonly Entry?[] _cache = new Entry?[CacheSize];

    /// <summary>Puts a model at the end of a chain.</summary>
    /// <param name="model">The model.</param>
    /// <param name="byteAlphabet">The model reads GPT-2's byte alphabet; words come as plain text.</param>
    public ModelStep(WordModel model, bool byteAlphabet)
    {
        (_model, _byteAlphabet) = (model, byteAlphabet);
        _wordStart = byteAlphabet ? null : model.WordStart;
    }

    /// <inheritdoc/>
    public override void Add(ReadOnlySpan<char> text, bool atStart, List<int> into)
    {
        if (_wordStart is { } mark)
        {
            while (WordEnd(text, mark) is var end && end < text.Length)
            {
                AddWord(text[..end], into);
                text = text[end..];
            }
        }

        AddWord(text, into);
    }

    /// <inheritdoc/>
    public override string ToString() => _byteAlphabet ? $"ByteAlphabet > {_model}" : $"{_model}";

    /// <summary>The first place where the mark follows another character, or the end.</summary>
    private static int WordEnd(ReadOnlySpan<char> text, char mark)
    {
        var marks = text.IndexOfAnyExcept(mark);
        if (marks < 0)
            return text.Length;
        var next = text[marks..].IndexOf(mark);
        return next < 0 ? text.Length : marks + next;
    }

    private void AddWord(ReadOnlySpan<char> word, List<int> into)
    {
        if (word.Length > LongestCached)
        {
            EncodeWord(word, into);
            return;
        }

        ref var place = ref _cache[Hash(word) & (CacheSize - 1)];
        if (Volatile.Read(ref place) is { } entry && word.SequenceEqual(entry.Word))
        {
            if (entry.Ids.Length == 1)
                into.Add(entry.Ids[0]);
            else
                into.AddRange(entry.Ids.AsSpan());
            return;
        }

        var first = into.Count;
        EncodeWord(word, into);
        Volatile.Write(ref place, new Entry(word.ToString(), CollectionsMarshal.AsSpan(into)[first..].ToArray()));
    }

    private void EncodeWord(ReadOnlySpan<char> word, List<int> into)
    {
        if (!_byteAlphabet)
        {
            _model.Encode(word, into);
            return;
        }

        var most = ByteAlphabet.MaxLength(word.Length);
        var mapped = most <= 256 ? stackalloc char[256] : new char[most];
        _model.Encode(mapped[..ByteAlphabet.Map(word, mapped)], into);
    }

    /// <summary>Any spread will do: a word with the place of another costs time, nothing else.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Hash(ReadOnlySpan<char> word)
    {
        var bytes = MemoryMarshal.AsBytes(word);
        var hash = (ulong)bytes.Length;
        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
            hash = (hash ^ MemoryMarshal.Read<ulong>(bytes)) * 0x9E3779B97F4A7C15 + (hash >> 29);
        foreach (var value in MemoryMarshal.Cast<byte, ushort>(bytes))
            hash = (hash ^ value) * 0x9E3779B97F4A7C15;
        return (int)(hash >> 40);
    }

    private sealed record Entry(string Word, int[] Ids);
}
