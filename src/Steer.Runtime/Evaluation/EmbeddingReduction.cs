using System.Numerics.Tensors;
using MathNet.Numerics.LinearAlgebra;
using Steer.Kernels;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Wide embeddings on the few directions that hold most of their length, found by randomised subspace iteration (Halko et al., arXiv 0909.4061):
/// eigenvalues take time that grows with the third power of the width. The rows are not centred, so that cosines stay what they are.
/// </summary>
internal static class EmbeddingReduction
{
    private const int Oversampling = 16;
    private const int Iterations = 3;

    /// <summary>
    /// Both sets on their common directions, and the share of the sum of squares that these keep; as they are where they are no wider.
    /// </summary>
    /// <param name="synthetic">Synthetic embeddings.</param>
    /// <param name="real">Real embeddings, as wide.</param>
    /// <param name="dimensions">How many directions.</param>
    /// <param name="seed">Of the first directions.</param>
    public static (EmbeddingMatrix Synthetic, EmbeddingMatrix Real, double Kept) Reduce(
        EmbeddingMatrix synthetic, EmbeddingMatrix real, int dimensions, ulong seed)
    {
        if (synthetic.Dimensions <= dimensions)
            return (synthetic, real, 1);
        EmbeddingMatrix both = synthetic.Above(real);
        int width = Math.Min(dimensions + Oversampling, both.Dimensions);
        EmbeddingMatrix basis = RandomRows(width, both.Dimensions, seed);
        for (int i = 0; i < Iterations; i++)
            basis = Orthonormal(Back(both, Coordinates(both, basis)));

        EmbeddingMatrix coordinates = Coordinates(both, basis);
        var eigen = SymmetricProduct.Eigen(SymmetricProduct.OfColumns(coordinates));
        Matrix<double> directions = eigen.EigenVectors.SubMatrix(0, width, width - dimensions, dimensions);
        EmbeddingMatrix reduced = Coordinates(coordinates, new EmbeddingMatrix(directions.ToColumnMajorArray(), width));
        double kept = TensorPrimitives.SumOfSquares(reduced.Values) / Math.Max(double.Epsilon, TensorPrimitives.SumOfSquares(both.Values));
        int[] rows = [.. Enumerable.Range(0, both.Rows)];
        return (reduced.Select(rows[..synthetic.Rows]), reduced.Select(rows[synthetic.Rows..]), kept);
    }

    /// <summary>Rows of normally distributed numbers (Box and Muller, 1958).</summary>
    private static EmbeddingMatrix RandomRows(int rows, int dimensions, ulong seed)
    {
        var values = new double[rows * dimensions];
        Parallel.For(0, rows, row =>
        {
            for (int i = 0; i < dimensions; i++)
            {
                double radius = Math.Sqrt(-2 * Math.Log(1 - Philox.Uniform(seed, 2 * i, (uint)row)));
                values[row * dimensions + i] = radius * Math.Cos(2 * Math.PI * Philox.Uniform(seed, 2 * i + 1, (uint)row));
            }
        });
        return new EmbeddingMatrix(values, dimensions);
    }

    /// <summary>Dot products of every row with every direction [rows, directions].</summary>
    private static EmbeddingMatrix Coordinates(EmbeddingMatrix x, EmbeddingMatrix directions)
    {
        var values = new double[x.Rows * directions.Rows];
        Parallel.For(0, x.Rows, row =>
        {
            for (int d = 0; d < directions.Rows; d++)
                values[row * directions.Rows + d] = TensorPrimitives.Dot(x.Row(row), directions.Row(d));
        });
        return new EmbeddingMatrix(values, directions.Rows);
    }

    /// <summary>Sums of the rows times their coordinates [directions, dimensions]; one order of the sum for any number of threads.</summary>
    private static EmbeddingMatrix Back(EmbeddingMatrix x, EmbeddingMatrix coordinates)
    {
        const int block = 16;
        int directions = coordinates.Dimensions;
        var values = new double[directions * x.Dimensions];
        Parallel.For(0, (directions + block - 1) / block, part =>
        {
            for (int row = 0; row < x.Rows; row++)
            {
                for (int d = part * block; d < Math.Min(directions, (part + 1) * block); d++)
                {
                    Span<double> sum = values.AsSpan(d * x.Dimensions, x.Dimensions);
                    TensorPrimitives.MultiplyAdd(x.Row(row), coordinates.Row(row)[d], sum, sum);
                }
            }
        });
        return new EmbeddingMatrix(values, x.Dimensions);
    }

    /// <summary>Rows of length 1 at right angles that span the same.</summary>
    private static EmbeddingMatrix Orthonormal(EmbeddingMatrix rows)
    {
        // Column after column of the matrix is row after row of this.
        var q = Matrix<double>.Build.Dense(rows.Dimensions, rows.Rows, rows.Values.ToArray())
            .QR(MathNet.Numerics.LinearAlgebra.Factorization.QRMethod.Thin).Q;
        return new EmbeddingMatrix(q.ToColumnMajorArray(), rows.Dimensions);
    }
}
