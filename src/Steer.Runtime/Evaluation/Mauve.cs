using System.Numerics.Tensors;
using Steer.Kernels;

namespace Steer.Runtime.Evaluation;

/// <summary>MAUVE and the frontier integral of two sets.</summary>
/// <param name="Score">Area under the divergence frontier, from 0 to 1; 1 where the sets are distributed alike.</param>
/// <param name="FrontierIntegral">From 0, alike, to 1.</param>
/// <param name="Buckets">Clusters that the sets were counted in.</param>
public readonly record struct MauveResult(double Score, double FrontierIntegral, int Buckets);

/// <summary>
/// MAUVE (Pillutla et al., arXiv 2102.01454): embeddings of both sets are clustered together, and the two histograms over the clusters compared along
/// all mixtures of them. The frontier integral is that of Liu et al., arXiv 2106.07898. Constants are those of the mauve-text package.
/// </summary>
public static class Mauve
{
    private const double ExplainedVariance = 0.9;
    private const double Scaling = 5;
    private const int Mixtures = 25;
    private const int Starts = 5;
    private const int MaxIterations = 500;

    /// <summary>
    /// Of embeddings: rows divided by their length, principal components of 0.9 of the variance, k-means into a tenth of the smaller set.
    /// </summary>
    /// <param name="device">Multiplies; the CPU device.</param>
    /// <param name="real">Real embeddings.</param>
    /// <param name="synthetic">Synthetic embeddings.</param>
    /// <param name="seed">Of the clustering.</param>
    public static MauveResult Of(Device device, EmbeddingMatrix real, EmbeddingMatrix synthetic, ulong seed)
    {
        int buckets = Math.Max(2, (int)Math.Round(Math.Min(real.Rows, synthetic.Rows) / 10.0, MidpointRounding.ToEven));
        EmbeddingMatrix both = synthetic.Normalised().Above(real.Normalised());
        var components = PrincipalComponents.Fit(both);
        EmbeddingMatrix projected = components.Project(both, components.Explaining(ExplainedVariance));
        var points = new float[projected.Values.Length];
        TensorPrimitives.ConvertTruncating(projected.Values, points);

        using var clustering = new KMeans(device, points, projected.Dimensions, buckets);
        int[] labels = clustering.Run(Starts, MaxIterations, seed);
        double[] p = Histogram(labels.AsSpan(synthetic.Rows), buckets), q = Histogram(labels.AsSpan(0, synthetic.Rows), buckets);
        return new MauveResult(Score(p, q), FrontierIntegral(p, q), buckets);
    }

    /// <summary>
    /// The divergence frontier: exp(-5 KL(q | r)) and exp(-5 KL(p | r)) for mixtures r = w p + (1 - w) q, w rising from 1e-6 to 1 - 1e-6, between the
    /// ends (1, 0) and (0, 1).
    /// </summary>
    /// <param name="p">Shares of real texts in each bucket.</param>
    /// <param name="q">Shares of synthetic texts.</param>
    public static (double X, double Y)[] Frontier(ReadOnlySpan<double> p, ReadOnlySpan<double> q)
    {
        const double edge = 1e-6;
        var frontier = new (double, double)[Mixtures + 2];
        frontier[0] = (1, 0);
        var mixture = new double[p.Length];
        for (int i = 0; i < Mixtures; i++)
        {
            double w = edge + i * ((1 - 2 * edge) / (Mixtures - 1));
            for (int b = 0; b < p.Length; b++)
                mixture[b] = w * p[b] + (1 - w) * q[b];
            frontier[i + 1] = (Math.Exp(-Scaling * Divergence(q, mixture)), Math.Exp(-Scaling * Divergence(p, mixture)));
        }

        frontier[^1] = (0, 1);
        return frontier;
    }

    /// <summary>Area under the frontier: the mean of the trapezoid sums along either axis.</summary>
    public static double Score(ReadOnlySpan<double> p, ReadOnlySpan<double> q)
    {
        var frontier = Frontier(p, q);
        double area = 0;
        for (int i = 1; i < frontier.Length; i++)
        {
            var (a, b) = (frontier[i - 1], frontier[i]);
            area += ((a.X - b.X) * (a.Y + b.Y) + (b.Y - a.Y) * (a.X + b.X)) / 4;
        }

        return area;
    }

    /// <summary>Integral of the divergences to all mixtures: twice the sum over buckets of (p + q) / 4 - p q (ln p - ln q) / (2 (p - q)).</summary>
    public static double FrontierIntegral(ReadOnlySpan<double> p, ReadOnlySpan<double> q)
    {
        double sum = 0;
        for (int b = 0; b < p.Length; b++)
        {
            // Where both are (nearly) equal the term tends to 0.
            if (p[b] == 0 || q[b] == 0)
                sum += (p[b] + q[b]) / 4;
            else if (Math.Abs(p[b] - q[b]) > 1e-8)
                sum += (p[b] + q[b]) / 4 - p[b] * q[b] * (Math.Log(p[b]) - Math.Log(q[b])) / (2 * (p[b] - q[b]));
        }

        return 2 * sum;
    }

    private static double Divergence(ReadOnlySpan<double> p, ReadOnlySpan<double> mixture)
    {
        double sum = 0;
        for (int b = 0; b < p.Length; b++)
        {
            if (p[b] > 0)
                sum += p[b] * Math.Log(p[b] / mixture[b]);
        }

        return sum;
    }

    private static double[] Histogram(ReadOnlySpan<int> labels, int buckets)
    {
        var shares = new double[buckets];
        foreach (int label in labels)
            shares[label]++;
        TensorPrimitives.Divide(shares, labels.Length, shares);
        return shares;
    }
}
