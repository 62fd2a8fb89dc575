using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Runtime.Datasets;

/// <summary>
/// Finds texts that are the same as, or nearly the same as, one that was added: equal words by a hash; else by MinHash and
/// locality-sensitive hashing (Broder 1997; Indyk and Motwani 1998) over shingles of 5 words. Candidates are confirmed by the Jaccard
/// similarity of their shingles itself, so nothing is refused in error.
/// </summary>
/// <remarks>
/// 64 hashes in 16 bands of 4: a pair of similarity s becomes a candidate with probability 1 - (1 - s^4)^16, which is 0.9998 at 0.8.
/// About 400 bytes for a text of 50 words.
/// </remarks>
/// <param name="threshold">Jaccard similarity from which texts are near duplicates.</param>
internal sealed class DuplicateIndex(double threshold)
{
    private const int ShingleWords = 5;
    private const int Bands = 16;
    private const int Rows = 4;
    private const int Hashes = Bands * Rows;

    private static readonly uint[] Xor = Constants(1), Factor = [.. Constants(2).Select(c => c | 1)];

    private readonly Dictionary<UInt128, int> _exact = [];
    private readonly List<uint[]> _shingles = [];

    // Chained hash table: entry e is band e % 16 of text e / 16.
    private int[] _heads = NewHeads(1 << 12);
    private int[] _next = new int[1 << 12];
    private uint[] _tags = new uint[1 << 12];

    /// <summary>Texts added.</summary>
    public int Count => _shingles.Count;

    /// <summary>Looks a text up.</summary>
    /// <returns>The first text added that it repeats, or -1; and whether the words are the same.</returns>
    public (int Index, bool Exact) Find(Fingerprint text)
    {
        if (_exact.TryGetValue(text.Hash, out int same))
            return (same, true);
        int first = -1;
        for (int band = 0; band < Bands; band++)
        {
            uint tag = text.Tags[band];
            for (int entry = _heads[tag & (_heads.Length - 1)]; entry >= 0; entry = _next[entry])
            {
                int candidate = entry / Bands;
                if (_tags[entry] == tag && (first < 0 || candidate < first) && Jaccard(_shingles[candidate], text.Shingles) >= threshold)
                    first = candidate;
            }
        }

        return (first, false);
    }

    /// <summary>Adds a text; its index is the number of those before it.</summary>
    public void Add(Fingerprint text)
    {
        int index = Count, begin = index * Bands;
        _exact.TryAdd(text.Hash, index);
        _shingles.Add(text.Shingles);
        if (begin + Bands > _next.Length)
            Grow(begin);
        for (int band = 0; band < Bands; band++)
            Link(begin + band, text.Tags[band]);
    }

    /// <summary>What is compared of a text. Pure, so that it may be computed on any thread.</summary>
    public static Fingerprint Describe(ReadOnlySpan<ulong> words)
    {
        int count = Math.Max(1, words.Length - ShingleWords + 1);
        var shingles = new uint[count];
        for (int i = 0; i < count; i++)
            shingles[i] = (uint)XxHash3.HashToUInt64(MemoryMarshal.AsBytes(words[i..Math.Min(words.Length, i + ShingleWords)]));
        Array.Sort(shingles);
        int distinct = 1;
        for (int i = 1; i < count; i++)
        {
            if (shingles[i] != shingles[distinct - 1])
                shingles[distinct++] = shingles[i];
        }

        Array.Resize(ref shingles, distinct);
        return new Fingerprint(XxHash128.HashToUInt128(MemoryMarshal.AsBytes(words)), shingles, BandTags(shingles));
    }

    /// <summary>Share of the shingles of both that are in both; each sorted, without repeats.</summary>
    public static double Jaccard(ReadOnlySpan<uint> a, ReadOnlySpan<uint> b)
    {
        int i = 0, j = 0, common = 0;
        while (i < a.Length && j < b.Length)
        {
            uint x = a[i], y = b[j];
            common += x == y ? 1 : 0;
            i += x <= y ? 1 : 0;
            j += y <= x ? 1 : 0;
        }

        return (double)common / (a.Length + b.Length - common);
    }

    private static uint[] BandTags(uint[] shingles)
    {
        Span<uint> least = stackalloc uint[Hashes];
        for (int i = 0; i < Hashes; i += Vector512<uint>.Count)
        {
            var xor = Vector512.Create(Xor, i);
            var factor = Vector512.Create(Factor, i);
            var min = Vector512<uint>.AllBitsSet;
            foreach (uint shingle in shingles)
                min = Vector512.Min(min, (Vector512.Create(shingle) ^ xor) * factor);
            min.CopyTo(least[i..]);
        }

        var tags = new uint[Bands];
        for (int band = 0; band < Bands; band++)
            tags[band] = (uint)XxHash3.HashToUInt64(MemoryMarshal.AsBytes(least.Slice(band * Rows, Rows)), seed: band);
        return tags;
    }

    private void Link(int entry, uint tag)
    {
        ref int head = ref _heads[tag & (_heads.Length - 1)];
        _tags[entry] = tag;
        _next[entry] = head;
        head = entry;
    }

    private void Grow(int used)
    {
        Array.Resize(ref _next, _next.Length * 2);
        Array.Resize(ref _tags, _tags.Length * 2);
        _heads = NewHeads(_heads.Length * 2);
        for (int entry = 0; entry < used; entry++)
            Link(entry, _tags[entry]);
    }

    private static int[] NewHeads(int length)
    {
        var heads = new int[length];
        Array.Fill(heads, -1);
        return heads;
    }

    private static uint[] Constants(uint stream) =>
        [.. Enumerable.Range(0, Hashes).Select(i => (uint)XxHash3.HashToUInt64(BitConverter.GetBytes(i), stream))];
}

/// <summary>What is compared of a text.</summary>
/// <param name="Hash">Of its words in order.</param>
/// <param name="Shingles">Hashes of its shingles, sorted, without repeats.</param>
/// <param name="Tags">A hash for each band.</param>
internal sealed record Fingerprint(UInt128 Hash, uint[] Shingles, uint[] Tags);
