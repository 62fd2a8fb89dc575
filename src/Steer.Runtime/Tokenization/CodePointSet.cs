using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>A set of Unicode code points: sorted, disjoint ranges, both ends included, and a bit for each of ASCII.</summary>
internal sealed class CodePointSet
{
    private const int Last = 0x10FFFF;

    /// <summary>No character beyond the first supplementary plane has case.</summary>
    private const int LastCased = 0x1FFFF;

    /// <summary>For a folded character, those that fold to it.</summary>
    private static readonly Lazy<Dictionary<int, int[]>> CaseVariants = new(() => Enumerable.Range(0, LastCased + 1)
        .Where(c => Fold(c) != c)
        .GroupBy(Fold)
        .ToDictionary(group => group.Key, group => group.ToArray()));

    private readonly (int First, int Last)[] _ranges;
    private readonly ulong _asciiLow;
    private readonly ulong _asciiHigh;
    private CodePointSet? _complement;

    private CodePointSet(IEnumerable<(int First, int Last)> ranges)
    {
        _ranges = [.. ranges];
        for (var c = 0; c < 64; c++)
        {
            _asciiLow |= Find(c) ? 1UL << c : 0;
            _asciiHigh |= Find(c + 64) ? 1UL << c : 0;
        }
    }

    /// <summary>The ranges, in order; no two of them touch.</summary>
    public ReadOnlySpan<(int First, int Last)> Ranges => _ranges;

    /// <summary>Whether a code point is in the set.</summary>
    public bool Contains(int c) => c < 128 ? ((c < 64 ? _asciiLow : _asciiHigh) >> (c & 63) & 1) != 0 : Find(c);

    /// <summary>The code points from <paramref name="first"/> to <paramref name="last"/>.</summary>
    public static CodePointSet Of(int first, int last) => new([(first, last)]);

    /// <summary>The code points for which a test holds.</summary>
    public static CodePointSet Where(Func<int, bool> test)
    {
        var ranges = new List<(int First, int Last)>();
        for (var c = 0; c <= Last; c++)
        {
            if (!test(c))
                continue;
            var first = c;
            while (c < Last && test(c + 1))
                c++;
            ranges.Add((first, c));
        }

        return new CodePointSet(ranges);
    }

    /// <summary>Everything in one of the sets.</summary>
    public static CodePointSet Union(IEnumerable<CodePointSet> sets) => OfRanges(sets.SelectMany(set => set._ranges));

    /// <summary>Everything outside the set.</summary>
    public CodePointSet Complement() => _complement ??= MakeComplement();

    /// <summary>Everything in both sets.</summary>
    public CodePointSet Intersect(CodePointSet other) => Union([Complement(), other.Complement()]).Complement();

    /// <summary>The set with every character that differs from one of its own only by case.</summary>
    public CodePointSet IgnoringCase()
    {
        var variants = _ranges.ToList();
        foreach (var (first, last) in _ranges)
        {
            for (var c = first; c <= Math.Min(last, LastCased); c++)
            {
                var fold = Fold(c);
                if (fold != c)
                    variants.Add((fold, fold));
                if (CaseVariants.Value.TryGetValue(fold, out var others))
                    variants.AddRange(others.Select(other => (other, other)));
            }
        }

        return OfRanges(variants);
    }

    private CodePointSet MakeComplement()
    {
        var ranges = new List<(int First, int Last)>();
        var next = 0;
        foreach (var (first, last) in _ranges)
        {
            if (next < first)
                ranges.Add((next, first - 1));
            next = last + 1;
        }

        if (next <= Last)
            ranges.Add((next, Last));
        return new CodePointSet(ranges);
    }

    private static CodePointSet OfRanges(IEnumerable<(int First, int Last)> ranges)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var range in ranges.Order())
        {
            if (merged.Count > 0 && range.First <= merged[^1].Last + 1)
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, range.Last));
            else
                merged.Add(range);
        }

        return new CodePointSet(merged);
    }

    private bool Find(int c)
    {
        var (low, high) = (0, _ranges.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_ranges[middle].Last < c)
                low = middle + 1;
            else
                high = middle;
        }

        return low < _ranges.Length && _ranges[low].First <= c;
    }

    private static int Fold(int c)
    {
        if (c is 0x17F)
            return 's'; // the long s, which .NET's invariant mode leaves out
        return Rune.TryCreate(c, out var rune) ? Rune.ToLowerInvariant(Rune.ToUpperInvariant(rune)).Value : c;
    }
}
