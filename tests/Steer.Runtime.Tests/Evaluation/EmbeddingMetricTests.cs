using System.Text.Json;
using MathNet.Numerics.LinearAlgebra;
using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Tests.Evaluation;

/// <summary>
/// Metrics of embeddings against mauve-text, vendi-score, scikit-learn and definitions in float64 numpy: two sets, one near to its real set and one far from it.
/// </summary>
public sealed class EmbeddingMetricTests
{
    [Theory]
    [MemberData(nameof(Sets))]
    public void Mauve_of_given_histograms_equals_mauve_text(string set)
    {
        var golden = Golden(set);
        var cases = golden.GetProperty("mauve_from_histograms").EnumerateArray().ToList();
        foreach (var item in cases)
        {
            double[] p = Numbers(item, "p"), q = Numbers(item, "q");
            Close(item.GetProperty("mauve").GetDouble(), Mauve.Score(p, q), 1e-9);
            Close(item.GetProperty("frontier_integral").GetDouble(), Mauve.FrontierIntegral(p, q), 1e-9);
            SameCurve(item.GetProperty("curve"), Mauve.Frontier(p, q));
        }

        var own = golden.GetProperty("mauve");
        double[] real = Numbers(own, "p_hist"), synthetic = Numbers(own, "q_hist");
        Close(own.GetProperty("default").GetDouble(), Mauve.Score(real, synthetic), 1e-9);
        Close(own.GetProperty("frontier_integral").GetDouble(), Mauve.FrontierIntegral(real, synthetic), 1e-9);
        SameCurve(own.GetProperty("divergence_curve"), Mauve.Frontier(real, synthetic));

        static void SameCurve(JsonElement golden, (double X, double Y)[] frontier)
        {
            Assert.Equal(golden.GetArrayLength(), frontier.Length);
            foreach (var (expected, point) in golden.EnumerateArray().Zip(frontier))
            {
                Close(expected[0].GetDouble(), point.X, 1e-9);
                Close(expected[1].GetDouble(), point.Y, 1e-9);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Mauve_from_end_to_end_lies_where_that_of_mauve_text_does(string set)
    {
        var (real, synthetic) = Embeddings(set);
        var golden = Golden(set).GetProperty("mauve");
        double[] reference = Numbers(golden, "over_kmeans_seeds");
        using var device = Devices.Open("cpu");
        var results = Enumerable.Range(0, 5).Select(seed => Mauve.Of(device, real, synthetic, (ulong)seed)).ToList();

        // Five starts of k-means with other random numbers: the range of the reference over its seeds, widened by its width on each side.
        double low = reference.Min(), high = reference.Max(), width = high - low;
        Assert.InRange(results.Average(r => r.Score), low - width, high + width);
        Assert.All(results, r => Assert.Equal(golden.GetProperty("num_buckets").GetInt32(), r.Buckets));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Vendi_equals_vendi_score(string set)
    {
        var (_, synthetic) = Embeddings(set);
        var golden = Golden(set).GetProperty("vendi");
        double dual = Vendi.OfEmbeddings(synthetic);
        Close(golden.GetProperty("dual").GetDouble(), dual, 1e-6);

        int n = synthetic.Rows;
        var distances = DistanceMatrix.Between(synthetic, synthetic);
        var rbf = Matrix<double>.Build.Dense(n, n, (i, j) => Math.Exp(-Math.Pow(distances[i, j], 2) / 50));
        Close(golden.GetProperty("rbf").GetDouble(), Vendi.OfKernel(rbf, n), 1e-6);

        // The cosine kernel has the eigenvalues of the dual form and n - d zeros; in float64 both forms agree. The reference computed it in float32,
        // where each zero becomes a rounding error e of up to about 2^-24 and adds -e ln e to the entropy: its value lies above by no more than that.
        EmbeddingMatrix rows = synthetic.Normalised();
        var kernel = Matrix<double>.Build.Dense(n, n, (i, j) => System.Numerics.Tensors.TensorPrimitives.Dot(rows.Row(i), rows.Row(j)));
        Close(dual, Vendi.OfKernel(kernel, n), 1e-9);
        double e = Math.Pow(2, -24), noise = (n - synthetic.Dimensions) * -e * Math.Log(e);
        Assert.InRange(golden.GetProperty("cosine_kernel").GetDouble(), dual, dual * Math.Exp(noise));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Adversarial_auroc_equals_scikit_learn(string set)
    {
        var (real, synthetic) = Embeddings(set);
        var golden = Golden(set).GetProperty("adversarial_auroc");
        int[][] folds = [.. golden.GetProperty("folds").EnumerateArray().Select(f => f.EnumerateArray().Select(i => i.GetInt32()).ToArray())];
        var result = AdversarialClassifier.Run(real, synthetic, folds);
        Assert.All(Numbers(golden, "per_fold").Zip(result.PerFold), p => Close(p.First, p.Second, 1e-6));
        Close(golden.GetProperty("mean").GetDouble(), result.Mean, 1e-6);

        double[] resamples = result.Bootstrap(200, seed: 3);
        Assert.InRange(result.Mean, resamples[5], resamples[^6]);
        Assert.Equal(resamples, result.Bootstrap(200, seed: 3));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Authenticity_equals_its_definition(string set)
    {
        var (real, synthetic) = Embeddings(set);
        var golden = Golden(set).GetProperty("authenticity");
        bool[] authentic = Authenticity.Of(PairDistances.Of(synthetic, real));
        Assert.Equal(golden.GetProperty("authentic").EnumerateArray().Select(a => a.GetInt32() == 1), authentic);
        Close(golden.GetProperty("share").GetDouble(), authentic.Count(a => a) / (double)authentic.Length, 1e-12);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Alpha_precision_and_beta_recall_equal_their_definitions(string set)
    {
        var (real, synthetic) = Embeddings(set);
        Equal(Golden(set).GetProperty("alpha_precision"), AlphaPrecision.Precision(synthetic, real));
        Equal(Golden(set).GetProperty("beta_recall"), AlphaPrecision.Recall(synthetic, PairDistances.Of(synthetic, real)));

        static void Equal(JsonElement golden, SupportCurve curve)
        {
            Assert.Equal(Numbers(golden, "curve"), curve.Shares);
            Close(golden.GetProperty("delta").GetDouble(), curve.Delta, 1e-9);
        }
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Precision_recall_density_coverage_equal_their_definitions(string set)
    {
        var (real, synthetic) = Embeddings(set);
        var golden = Golden(set).GetProperty("prdc");
        Assert.Equal(PrecisionRecall.Neighbours, golden.GetProperty("nearest_k").GetInt32());
        var result = PrecisionRecall.Of(PairDistances.Of(synthetic, real));
        Close(golden.GetProperty("precision").GetDouble(), result.Precision, 1e-12);
        Close(golden.GetProperty("recall").GetDouble(), result.Recall, 1e-12);
        Close(golden.GetProperty("density").GetDouble(), result.Density, 1e-12);
        Close(golden.GetProperty("coverage").GetDouble(), result.Coverage, 1e-12);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Cosine_and_frechet_equal_their_definitions(string set)
    {
        var (real, synthetic) = Embeddings(set);
        var golden = Golden(set).GetProperty("cosine");
        Close(golden.GetProperty("synthetic_real_mean").GetDouble(), CosineSimilarity.ToReal(synthetic, real).Average(), 1e-6);
        Close(golden.GetProperty("synthetic_synthetic_mean_off_diagonal").GetDouble(), CosineSimilarity.Within(synthetic), 1e-6);
        Close(golden.GetProperty("nearest_real_mean").GetDouble(), CosineSimilarity.ToNearestReal(synthetic, real).Average(), 1e-6);
        Close(Golden(set).GetProperty("frechet").GetProperty("distance").GetDouble(), FrechetDistance.Between(synthetic, real), 1e-6);
    }

    public static TheoryData<string> Sets => ["near", "far"];

    internal static (EmbeddingMatrix Real, EmbeddingMatrix Synthetic) Embeddings(string set)
    {
        using var file = SafetensorsFile.Open(GoldenFiles.Find($"metrics/embeddings_{set}.safetensors"));
        return (Matrix("real"), Matrix("synthetic"));

        EmbeddingMatrix Matrix(string name) => new(file.ReadFloats(name), (int)file.Tensor(name).Shape[1]);
    }

    private static JsonElement Golden(string set) =>
        JsonDocument.Parse(File.ReadAllBytes(GoldenFiles.Find($"metrics/embedding_metrics_{set}.json"))).RootElement;

    private static double[] Numbers(JsonElement element, string name) => [.. element.GetProperty(name).EnumerateArray().Select(v => v.GetDouble())];

    /// <summary>Equal up to a relative difference; the references round otherwise.</summary>
    private static void Close(double golden, double value, double relative) => Assert.Equal(golden, value, Math.Max(1e-300, Math.Abs(golden) * relative));
}
