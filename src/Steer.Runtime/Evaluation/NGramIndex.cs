using System.Runtime.InteropServices;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// The n-grams of a list of texts, of one order after another, as dense ids by the place where they begin. Exact, without hashes of words: an n-gram
/// is the pair of the (n-1)-gram that begins there and its last word.
/// </summary>
internal sealed class NGramIndex
{
    private readonly int[] _words;
    private readonly int[] _ends;
    private readonly int[] _grams;
    private readonly Dictionary<long, int> _ids = [];

    /// <summary>Order 0: every place holds the empty n-gram.</summary>
    /// <param name="texts">Word ids.</param>
    /// <param name="joined">The texts are one: n-grams run across their borders.</param>
    public NGramIndex(IReadOnlyList<int[]> texts, bool joined)
    {
        _words = [.. texts.SelectMany(t => t)];
        _grams = new int[_words.Length];
        _ends = new int[_words.Length];
        int start = 0;
        foreach (int[] text in texts)
        {
            _ends.AsSpan(start, text.Length).Fill(joined ? _words.Length : start + text.Length);
            start += text.Length;
        }
    }

    /// <summary>n.</summary>
    public int Order { get; private set; }

    /// <summary>Distinct n-grams; ids go from 0 to one less.</summary>
    public int Unique => _ids.Count;

    /// <summary>n-grams in all.</summary>
    public int Total { get; private set; }

    /// <summary>Id of the n-gram that begins at each word of the joined texts; -1 where it would run beyond the end.</summary>
    public ReadOnlySpan<int> Grams => _grams;

    /// <summary>Goes on to the next order.</summary>
    public void Extend()
    {
        Order++;
        Total = 0;
        _ids.Clear();
        for (int i = 0; i < _words.Length; i++)
        {
            if (i + Order > _ends[i])
            {
                _grams[i] = -1;
                continue;
            }

            ref int id = ref CollectionsMarshal.GetValueRefOrAddDefault(_ids, ((long)_grams[i] << 32) | (uint)_words[i + Order - 1], out bool known);
            if (!known)
                id = _ids.Count - 1;
            _grams[i] = id;
            Total++;
        }
    }
}
