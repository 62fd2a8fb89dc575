using System.Diagnostics;
using System.Globalization;
using Steer.Kernels;
using Steer.Runtime.Evaluation;

namespace Steer.Benchmarks;

/// <summary>Times of the evaluation metrics on 5,000 synthetic and 5,000 real texts with embeddings of 256 dimensions.</summary>
internal static class MetricsTable
{
    private const int Texts = 5000;
    private const int Dimensions = 256;
    private const int Topics = 40;
    private const int QuadraticTexts = 200;

    public static void Print()
    {
        EvaluationSet synthetic = MakeSet("synthetic", 1), real = MakeSet("real", 2);
        foreach (var group in Enum.GetValues<MetricGroups>().Where(g => g is not (MetricGroups.None or MetricGroups.All)))
        {
            var points = new EvaluationOptions { Metrics = group, Bootstrap = 0, HalfSamples = 0, Ceiling = false };
            Line(group.ToString(), Time(points, synthetic, real));
        }

        Line("all, point values", Time(new EvaluationOptions { Bootstrap = 0, HalfSamples = 0, Ceiling = false }, synthetic, real));
        Line("memory, GB", Process.GetCurrentProcess().PeakWorkingSet64 / 1e9);
        Line("all, with intervals and ceiling", Time(new EvaluationOptions(), synthetic, real));
        PrintSelfBleu(synthetic);
    }

    /// <summary>Self-BLEU-4 of all texts, beside the definition on a few and scaled by the square of their number.</summary>
    private static void PrintSelfBleu(EvaluationSet set)
    {
        int[][] words = new WordSequences().Add(set.Texts);
        SelfBleu.PerText(words, 4);
        var watch = Stopwatch.StartNew();
        SelfBleu.PerText(words, 4);
        double linear = watch.Elapsed.TotalSeconds;

        int[][] few = words[..QuadraticTexts];
        double[] fast = SelfBleu.PerText(few, 4)[3];
        watch.Restart();
        double[] slow = [.. Enumerable.Range(0, QuadraticTexts).Select(t => QuadraticSelfBleu.Of(few, t, 4))];
        double quadratic = watch.Elapsed.TotalSeconds * Math.Pow((double)Texts / QuadraticTexts, 2);
        if (fast.Zip(slow).Any(p => Math.Abs(p.First - p.Second) > 1e-12))
            throw new InvalidOperationException("The two forms of self-BLEU differ.");
        Line("self-BLEU-4", linear);
        Line($"self-BLEU-4, definition ({QuadraticTexts} texts, scaled)", quadratic);
        Line("ratio", quadratic / linear);
    }

    private static double Time(EvaluationOptions options, EvaluationSet synthetic, EvaluationSet real)
    {
        using var evaluator = new Evaluator(options);
        var watch = Stopwatch.StartNew();
        evaluator.Evaluate(synthetic, real);
        return watch.Elapsed.TotalSeconds;
    }

    private static void Line(string name, double value) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-50}{value,10:0.00}"));

    /// <summary>Texts of about 50 words with frequencies as in language (1 / rank), and embeddings around topics, most of their variance in few directions.</summary>
    private static EvaluationSet MakeSet(string name, ulong seed)
    {
        int draw = 0;
        double Uniform() => Philox.Uniform(seed, draw++);
        double Normal() => Math.Sqrt(-2 * Math.Log(1 - Uniform())) * Math.Cos(2 * Math.PI * Uniform());
        var texts = new string[Texts];
        var embeddings = new float[Texts * Dimensions];
        for (int t = 0; t < Texts; t++)
        {
            int words = 30 + (int)(40 * Uniform()), topic = (int)(Topics * Uniform());
            texts[t] = string.Join(' ', Enumerable.Range(0, words).Select(_ => "w" + (int)Math.Pow(20_000, Uniform())));
            for (int d = 0; d < Dimensions; d++)
            {
                double centre = 2 * Philox.Uniform((ulong)topic, d, 1) - 1;
                embeddings[t * Dimensions + d] = (float)((centre + 0.5 * Normal()) / Math.Sqrt(1 + d / 16.0));
            }
        }

        return new EvaluationSet { Name = name, Texts = texts, Embeddings = new EmbeddingMatrix(embeddings, Dimensions) };
    }
}
