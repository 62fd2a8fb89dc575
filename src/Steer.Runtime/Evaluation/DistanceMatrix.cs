using System.Numerics.Tensors;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Euclidean distances between the rows of two matrices, computed in float64 and kept as float32: memory is what limits the number of texts.
/// </summary>
public sealed class DistanceMatrix
{
    private readonly float[] _values;

    private DistanceMatrix(int rows, int columns)
    {
        Rows = rows;
        Columns = columns;
        _values = new float[(long)rows * columns];
    }

    /// <summary>Rows of the first matrix.</summary>
    public int Rows { get; }

    /// <summary>Rows of the second.</summary>
    public int Columns { get; }

    /// <summary>Distance of row i of the first from row j of the second.</summary>
    public float this[int i, int j] => Row(i)[j];

    /// <summary>Distances of row i of the first from all of the second.</summary>
    public ReadOnlySpan<float> Row(int i) => new(_values, i * Columns, Columns);

    /// <summary>All distances between rows of <paramref name="a"/> and of <paramref name="b"/>, block by block, on all processors.</summary>
    /// <exception cref="ArgumentException">The widths differ.</exception>
    public static DistanceMatrix Between(EmbeddingMatrix a, EmbeddingMatrix b)
    {
        if (a.Dimensions != b.Dimensions)
            throw new ArgumentException($"Embeddings of {a.Dimensions} and of {b.Dimensions} dimensions have no distance.", nameof(b));
        var distances = new DistanceMatrix(a.Rows, b.Rows);

        // Both blocks stay in the second-level cache.
        int block = Math.Clamp(1 << 15 >> (int)Math.Ceiling(Math.Log2(a.Dimensions)), 8, 256);
        Parallel.For(0, (a.Rows + block - 1) / block, part =>
        {
            int end = Math.Min(a.Rows, (part + 1) * block);
            for (int j0 = 0; j0 < b.Rows; j0 += block)
            {
                for (int i = part * block; i < end; i++)
                {
                    Span<float> row = new(distances._values, i * b.Rows, b.Rows);
                    for (int j = j0; j < Math.Min(b.Rows, j0 + block); j++)
                        row[j] = (float)TensorPrimitives.Distance(a.Row(i), b.Row(j));
                }
            }
        });
        return distances;
    }

    /// <summary>These rows and columns, in this order.</summary>
    public DistanceMatrix Select(IReadOnlyList<int> rows, IReadOnlyList<int> columns)
    {
        var selected = new DistanceMatrix(rows.Count, columns.Count);
        int[] places = [.. columns];
        for (int i = 0; i < rows.Count; i++)
        {
            ReadOnlySpan<float> from = Row(rows[i]);
            Span<float> to = new(selected._values, i * places.Length, places.Length);
            for (int j = 0; j < places.Length; j++)
                to[j] = from[places[j]];
        }

        return selected;
    }
}

/// <summary>Distances of synthetic and real embeddings among themselves and from each other.</summary>
/// <param name="Synthetic">[synthetic, synthetic].</param>
/// <param name="Real">[real, real].</param>
/// <param name="Across">[synthetic, real].</param>
public sealed record PairDistances(DistanceMatrix Synthetic, DistanceMatrix Real, DistanceMatrix Across)
{
    /// <summary>Of two matrices of one width.</summary>
    /// <exception cref="ArgumentException">The widths differ.</exception>
    public static PairDistances Of(EmbeddingMatrix synthetic, EmbeddingMatrix real) => new(
        DistanceMatrix.Between(synthetic, synthetic), DistanceMatrix.Between(real, real), DistanceMatrix.Between(synthetic, real));
}
