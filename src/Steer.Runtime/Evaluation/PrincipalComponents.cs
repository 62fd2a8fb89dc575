using MathNet.Numerics.LinearAlgebra;

namespace Steer.Runtime.Evaluation;

/// <summary>Principal components of a matrix of embeddings, the largest first.</summary>
public sealed class PrincipalComponents
{
    private readonly double[] _mean;
    private readonly Matrix<double> _vectors;

    private PrincipalComponents(double[] mean, Matrix<double> vectors, double[] shares)
    {
        _mean = mean;
        _vectors = vectors;
        Shares = shares;
    }

    /// <summary>Share of the variance that each component explains; all 0 where there is none.</summary>
    public IReadOnlyList<double> Shares { get; }

    /// <summary>Finds all components; at least two rows.</summary>
    public static PrincipalComponents Fit(EmbeddingMatrix x)
    {
        double[] mean = x.Mean();
        var eigen = SymmetricProduct.Eigen(SymmetricProduct.OfColumns(SymmetricProduct.Centred(x, mean)));
        double[] variances = [.. eigen.EigenValues.Select(v => Math.Max(0, v.Real)).Reverse()];
        double total = variances.Sum();
        int d = x.Dimensions;
        var vectors = Matrix<double>.Build.Dense(d, d, (i, j) => eigen.EigenVectors[i, d - 1 - j]);
        return new PrincipalComponents(mean, vectors, [.. variances.Select(v => total > 0 ? v / total : 0)]);
    }

    /// <summary>The fewest components that explain this share of the variance; at least one.</summary>
    public int Explaining(double share)
    {
        double sum = 0;
        for (int i = 0; i < Shares.Count; i++)
        {
            sum += Shares[i];
            if (sum >= share)
                return i + 1;
        }

        return Shares.Count;
    }

    /// <summary>Coordinates of rows on the first components.</summary>
    public EmbeddingMatrix Project(EmbeddingMatrix x, int components)
    {
        EmbeddingMatrix centred = SymmetricProduct.Centred(x, _mean);
        double[] directions = _vectors.SubMatrix(0, x.Dimensions, 0, components).ToColumnMajorArray();
        var projected = new double[x.Rows * components];
        Parallel.For(0, x.Rows, row =>
        {
            for (int c = 0; c < components; c++)
            {
                projected[row * components + c] = System.Numerics.Tensors.TensorPrimitives.Dot(
                    centred.Row(row), directions.AsSpan(c * x.Dimensions, x.Dimensions));
            }
        });
        return new EmbeddingMatrix(projected, components);
    }
}
