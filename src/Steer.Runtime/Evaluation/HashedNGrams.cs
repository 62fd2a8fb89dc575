using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Counts of single words and of pairs of words, hashed into columns with a sign of their own (Weinberger et al., arXiv 0902.2206), each row of
/// length 1. Columns that no training text has are left out: their weights would be 0.
/// </summary>
internal sealed class HashedNGrams : IFeatures
{
    private const int HashedColumns = 1 << 14;
    private readonly Dictionary<int, int> _columns;
    private readonly (int[] Columns, double[] Values)[] _rows;

    private HashedNGrams(Dictionary<int, int> columns, (int[] Columns, double[] Values)[] rows) => (_columns, _rows) = (columns, rows);

    public int Rows => _rows.Length;

    public int Dimensions => _columns.Count;

    /// <summary>Features of training and of test texts.</summary>
    /// <param name="train">Word ids.</param>
    /// <param name="test">Word ids.</param>
    /// <param name="words">Knows the words, so that a column does not depend on the order in which they were seen.</param>
    public static (HashedNGrams Train, HashedNGrams Test) Of(IEnumerable<int[]> train, IEnumerable<int[]> test, WordSequences words)
    {
        ulong[] hashes = [.. Enumerable.Range(0, words.Count).Select(id => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(words.Word(id).AsSpan())))];
        var trainRows = train.Select(t => Row(t, hashes)).ToArray();
        var columns = trainRows.SelectMany(r => r.Columns).Distinct().Order().Select((column, i) => (column, i)).ToDictionary();
        return (new HashedNGrams(columns, [.. trainRows.Select(Kept)]), new HashedNGrams(columns, [.. test.Select(t => Kept(Row(t, hashes)))]));

        (int[] Columns, double[] Values) Kept((int[] Columns, double[] Values) row)
        {
            int[] places = [.. Enumerable.Range(0, row.Columns.Length).Where(i => columns.ContainsKey(row.Columns[i]))];
            return ([.. places.Select(i => columns[row.Columns[i]])], [.. places.Select(i => row.Values[i])]);
        }
    }

    public double Dot(int row, ReadOnlySpan<double> weights)
    {
        var (columns, values) = _rows[row];
        double sum = 0;
        for (int i = 0; i < columns.Length; i++)
            sum += values[i] * weights[columns[i]];
        return sum;
    }

    public void AddScaled(int row, double scale, Span<double> sum)
    {
        var (columns, values) = _rows[row];
        for (int i = 0; i < columns.Length; i++)
            sum[columns[i]] += scale * values[i];
    }

    private static (int[] Columns, double[] Values) Row(int[] text, ulong[] hashes)
    {
        var counts = new SortedDictionary<int, double>();
        for (int i = 0; i < text.Length; i++)
        {
            Add(counts, hashes[text[i]]);
            if (i > 0)
                Add(counts, XxHash3.HashToUInt64(MemoryMarshal.AsBytes<ulong>([hashes[text[i - 1]], hashes[text[i]]])));
        }

        double length = Math.Sqrt(counts.Values.Sum(v => v * v));
        return ([.. counts.Keys], [.. counts.Values.Select(v => length > 0 ? v / length : 0)]);
    }

    private static void Add(SortedDictionary<int, double> counts, ulong hash)
    {
        int column = (int)(hash % HashedColumns);
        counts[column] = counts.GetValueOrDefault(column) + (hash >> 63 == 0 ? 1 : -1);
    }
}
