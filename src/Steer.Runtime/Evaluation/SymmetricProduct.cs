using System.Numerics.Tensors;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;

namespace Steer.Runtime.Evaluation;

/// <summary>Products of a matrix with itself, and their eigenvalues.</summary>
internal static class SymmetricProduct
{
    /// <summary>X^T X [dimensions, dimensions] of X [rows, dimensions]. The sum over rows has one order, for any number of threads.</summary>
    public static Matrix<double> OfColumns(EmbeddingMatrix x)
    {
        int d = x.Dimensions;
        const int Block = 16;
        var columns = new double[d * d];
        Parallel.For(0, (d + Block - 1) / Block, part =>
        {
            int start = part * Block, end = Math.Min(d, start + Block);
            for (int row = 0; row < x.Rows; row++)
            {
                ReadOnlySpan<double> values = x.Row(row);
                for (int i = start; i < end; i++)
                {
                    Span<double> sums = columns.AsSpan(i * d + i, d - i);
                    TensorPrimitives.MultiplyAdd(values[i..], values[i], sums, sums);
                }
            }
        });
        for (int i = 0; i < d; i++)
        {
            for (int j = 0; j < i; j++)
                columns[i * d + j] = columns[j * d + i];
        }

        return Matrix<double>.Build.Dense(d, d, columns);
    }

    /// <summary>X X^T [rows, rows].</summary>
    public static Matrix<double> OfRows(EmbeddingMatrix x)
    {
        var product = new double[x.Rows * x.Rows];
        Parallel.For(0, x.Rows, i =>
        {
            for (int j = 0; j < x.Rows; j++)
                product[i * x.Rows + j] = TensorPrimitives.Dot(x.Row(Math.Min(i, j)), x.Row(Math.Max(i, j)));
        });
        return Matrix<double>.Build.Dense(x.Rows, x.Rows, product);
    }

    /// <summary>Rows less their mean.</summary>
    public static EmbeddingMatrix Centred(EmbeddingMatrix x, ReadOnlySpan<double> mean)
    {
        var values = new double[x.Values.Length];
        for (int row = 0; row < x.Rows; row++)
            TensorPrimitives.Subtract(x.Row(row), mean, values.AsSpan(row * x.Dimensions, x.Dimensions));
        return new EmbeddingMatrix(values, x.Dimensions);
    }

    /// <summary>Covariance by n - 1; at least two rows.</summary>
    public static Matrix<double> Covariance(EmbeddingMatrix x) => OfColumns(Centred(x, x.Mean())) / (x.Rows - 1);

    /// <summary>Eigenvalues ascending and their vectors in the columns.</summary>
    public static Evd<double> Eigen(Matrix<double> symmetric) => symmetric.Evd(Symmetricity.Symmetric);

    /// <summary>Eigenvalues, ascending.</summary>
    public static double[] Eigenvalues(Matrix<double> symmetric) => [.. Eigen(symmetric).EigenValues.Select(v => v.Real)];
}
