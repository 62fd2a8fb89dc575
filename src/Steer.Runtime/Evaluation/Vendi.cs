using MathNet.Numerics.LinearAlgebra;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Vendi score (Friedman and Dieng, arXiv 2210.02410): exp of the entropy of the eigenvalues of K / n, where K holds the similarities of n texts. The
/// number of texts with nothing in common that would be as diverse.
/// </summary>
public static class Vendi
{
    /// <summary>By cosine similarity of embeddings. X X^T and X^T X have the same eigenvalues but for zeros, so the smaller one is taken.</summary>
    public static double OfEmbeddings(EmbeddingMatrix set)
    {
        EmbeddingMatrix rows = set.Normalised();
        return OfKernel(rows.Dimensions <= rows.Rows ? SymmetricProduct.OfColumns(rows) : SymmetricProduct.OfRows(rows), rows.Rows);
    }

    /// <summary>By the mean of the cosine similarities of the counts of single words and of pairs of words.</summary>
    /// <param name="texts">Word ids. Time grows with the third power of their number.</param>
    public static double OfNGrams(IReadOnlyList<int[]> texts)
    {
        const int orders = 2;
        var kernel = new double[texts.Count * texts.Count];
        var index = new NGramIndex(texts, joined: false);
        for (int order = 1; order <= orders; order++)
        {
            index.Extend();
            AddCosines(texts, index, 1.0 / orders, kernel);
        }

        return OfKernel(Matrix<double>.Build.Dense(texts.Count, texts.Count, kernel), texts.Count);
    }

    /// <summary>
    /// Of a positive semi-definite matrix of similarities with ones on the diagonal, or of another with the same eigenvalues but for zeros.
    /// </summary>
    /// <param name="kernel">Symmetric.</param>
    /// <param name="count">n, the number of texts.</param>
    public static double OfKernel(Matrix<double> kernel, int count)
    {
        double entropy = 0;
        foreach (double value in SymmetricProduct.Eigenvalues(kernel / count))
        {
            if (value > 0)
                entropy -= value * Math.Log(value);
        }

        return Math.Exp(entropy);
    }

    /// <summary>
    /// Adds the scaled cosines of n-gram counts; two texts without an n-gram in common have 0, a text without any has 1 with itself.
    /// </summary>
    private static void AddCosines(IReadOnlyList<int[]> texts, NGramIndex index, double scale, double[] kernel)
    {
        int n = texts.Count, start = 0;
        var holders = new List<(int Text, double Count)>[index.Unique];
        for (int t = 0; t < n; t++)
        {
            var counts = index.Grams.Slice(start, Math.Max(0, texts[t].Length - index.Order + 1)).ToArray().CountBy(g => g).ToList();
            double norm = Math.Sqrt(counts.Sum(c => (double)c.Value * c.Value));
            foreach (var (gram, count) in counts)
                (holders[gram] ??= []).Add((t, count / norm));
            if (counts.Count == 0)
                kernel[t * n + t] += scale;
            start += texts[t].Length;
        }

        foreach (var sharing in holders)
        {
            foreach (var (a, countA) in sharing)
            {
                foreach (var (b, countB) in sharing)
                    kernel[a * n + b] += scale * countA * countB;
            }
        }
    }
}
