using System.Numerics.Tensors;
using MathNet.Numerics.LinearAlgebra;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Frechet distance of the normal distributions fitted to two sets (Heusel et al., arXiv 1706.08500): |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)),
/// with covariances by n - 1.
/// </summary>
public static class FrechetDistance
{
    /// <summary>From 0; at least two rows each.</summary>
    public static double Between(EmbeddingMatrix a, EmbeddingMatrix b)
    {
        Matrix<double> covarianceA = SymmetricProduct.Covariance(a), covarianceB = SymmetricProduct.Covariance(b);

        // C1 C2 has the eigenvalues of the symmetric C1^(1/2) C2 C1^(1/2); rounding can push those of 0 below it.
        var eigen = SymmetricProduct.Eigen(covarianceA);
        var roots = Vector<double>.Build.DenseOfEnumerable(eigen.EigenValues.Select(v => Math.Sqrt(Math.Max(0, v.Real))));
        Matrix<double> root = eigen.EigenVectors * Matrix<double>.Build.DiagonalOfDiagonalVector(roots);
        Matrix<double> product = root.TransposeThisAndMultiply(covarianceB * root);
        double trace = SymmetricProduct.Eigenvalues((product + product.Transpose()) / 2).Sum(v => Math.Sqrt(Math.Max(0, v)));
        double means = TensorPrimitives.Distance<double>(a.Mean(), b.Mean());
        return Math.Max(0, means * means + covarianceA.Trace() + covarianceB.Trace() - 2 * trace);
    }
}
