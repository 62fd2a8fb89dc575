using System.Text;

namespace Steer.Runtime.Tokenization;

/// <summary>A set of Unicode code points: sorted, disjoint ranges, both ends included.</summary>
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

    private readonly List<(int First, int Last)> _ranges;

    private CodePointSet(List<(int First, int Last)> ranges) => _ranges = ranges;

    /// <summary>The set's ranges, in order.</summary>
    public IReadOnlyList<(int First, int Last)> Ranges => _ranges;

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
    public static CodePointSet Union(IEnumerable<CodePointSet> sets)
    {
        var merged = new List<(int First, int Last)>();
        foreach (var range in sets.SelectMany(set => set._ranges).Order())
        {
            if (merged.Count > 0 && range.First <= merged[^1].Last + 1)
                merged[^1] = (merged[^1].First, Math.Max(merged[^1].Last, range.Last));
            else
                merged.Add(range);
        }

        return new CodePointSet(merged);
    }

    /// <summary>Everything outside the set.</summary>
    public CodePointSet Complement()
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

    /// <summary>Everything in both sets.</summary>
    public CodePointSet Intersect(CodePointSet other) => Union([Complement(), other.Complement()]).Complement();

    /// <summary>The set with every character that differs from one of its own only by case.</summary>
    public CodePointSet IgnoringCase()
    {
        var variants = new List<CodePointSet> { this };
        foreach (var (first, last) in _ranges)
        {
            for (var c = first; c <= Math.Min(last, LastCased); c++)
            {
                var fold = Fold(c);
                if (fold != c)
                    variants.Add(Of(fold, fold));
                if (CaseVariants.Value.TryGetValue(fold, out var others))
                    variants.AddRange(others.Select(other => Of(other, other)));
            }
        }

        return Union(variants);
    }

    /// <summary>The set as a .NET pattern of one character, a pair of surrogates for those beyond the basic plane unless they are left out.</summary>
    public string ToPattern(bool basicPlaneOnly)
    {
        var basic = new StringBuilder();
        var pairs = new List<string>();
        foreach (var (first, last) in _ranges)
        {
            // Surrogates only come in pairs: a class of one unit must not match half of one.
            AppendRange(basic, first, Math.Min(last, 0xD7FF));
            AppendRange(basic, Math.Max(first, 0xE000), Math.Min(last, 0xFFFF));
            if (last > 0xFFFF && !basicPlaneOnly)
                AddPairs(pairs, Math.Max(first, 0x10000), last);
        }

        // An empty class is not allowed in .NET; this one never matches.
        var basicClass = basic.Length == 0 ? @"[^\s\S]" : $"[{basic}]";
        return pairs.Count == 0 ? basicClass : $"(?:{basicClass}|{string.Join('|', pairs)})";
    }

    /// <summary>Splits a range into pieces that each are (a range of high surrogates) x (a range of low surrogates).</summary>
    private static void AddPairs(List<string> pairs, int first, int last)
    {
        while (first <= last)
        {
            var (high, low) = Split(first);
            var (lastHigh, lastLow) = Split(last);
            var highEnd = high;
            int lowEnd;
            if (high == lastHigh)
            {
                lowEnd = lastLow;
            }
            else
            {
                lowEnd = 0xDFFF;
                if (low == 0xDC00)
                    highEnd = lastLow == 0xDFFF ? lastHigh : lastHigh - 1;
            }

            var pair = new StringBuilder("[");
            AppendRange(pair, high, highEnd);
            AppendRange(pair.Append("]["), low, lowEnd);
            pairs.Add(pair.Append(']').ToString());
            first = 0x10000 + ((highEnd - 0xD800) << 10) + (lowEnd - 0xDC00) + 1;
        }

        static (int High, int Low) Split(int c) => (0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
    }

    private static void AppendRange(StringBuilder pattern, int first, int last)
    {
        if (first > last)
            return;
        pattern.Append($"\\u{first:X4}");
        if (last > first)
            pattern.Append($"-\\u{last:X4}");
    }

    private static int Fold(int c)
    {
        if (c is 0x17F)
            return 's'; // the long s, which .NET's invariant mode leaves out
        return Rune.TryCreate(c, out var rune) ? Rune.ToLowerInvariant(Rune.ToUpperInvariant(rune)).Value : c;
    }
}
