using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Tests.Evaluation;

/// <summary>The whole evaluation: values, intervals and ceilings of two sets, and sets that cannot be evaluated.</summary>
public sealed class EvaluatorTests
{
    private static readonly EvaluationOptions Quick = new() { Bootstrap = 200, HalfSamples = 10 };

    [Fact]
    public void Values_are_those_of_the_metrics_alone_and_lie_in_their_intervals()
    {
        var (synthetic, real) = Sets("far");
        var report = Evaluate(synthetic, real, Quick);
        Assert.Equal((220, 220, 220, 110, 24), (report.SyntheticTexts, report.RealTexts, report.Compared, report.Half, report.EmbeddingDimensions));
        Assert.Equal(FrechetDistance.Between(synthetic.Embeddings!, real.Embeddings!), report["frechet"]!.Value);
        Assert.Equal(CosineSimilarity.ToReal(synthetic.Embeddings!, real.Embeddings!).Average(), report["cosine_real"]!.Value);
        Assert.Equal(Math.Exp(2), report["perplexity_expert"]!.Value!.Value, 1e-12);
        Assert.Equal(
            ["unique_1", "unique_2", "unique_3", "unique_4", "unique_within_1", "unique_within_2", "unique_within_3", "unique_within_4", "diversity",
             "self_bleu_2", "self_bleu_3", "self_bleu_4", "self_bleu_5", "vendi_ngrams", "copied", "copied_half", "copied_run", "length", "length_distance",
             "perplexity_expert", "cosine_real", "cosine_within", "cosine_nearest", "vendi", "mauve", "frontier_integral", "auroc", "authenticity",
             "alpha_precision", "beta_recall", "precision", "recall", "density", "coverage", "frechet"],
            report.Values.Select(v => v.Name));
        Assert.All(report.Values, v =>
        {
            Assert.True(v is { Value: not null, Low: not null, High: not null, Ceiling: not null, AtCeiling: not null }, v.Name);
            Assert.InRange(v.Value!.Value, v.Low!.Value, v.High!.Value);
        });

        // The sets are told apart; the halves of the real set are not.
        Assert.True(report["auroc"] is { Low: > 0.9, Ceiling: < 0.7, AtCeiling: > 0.9 });
        Assert.True(report["mauve"] is { High: < 0.3, Ceiling: > 0.7 });
    }

    [Fact]
    public void The_same_seed_gives_the_same_report_and_another_seed_another()
    {
        var (synthetic, real) = Sets("near");
        var first = Evaluate(synthetic, real, Quick);
        Assert.Equal(first.Values, Evaluate(synthetic, real, Quick).Values);
        Assert.NotEqual(first.Values, Evaluate(synthetic, real, Quick with { Seed = 1 }).Values);
    }

    [Fact]
    public void An_interval_of_half_samples_is_as_wide_as_the_normal_one_of_a_mean()
    {
        // Unique words of texts that have one word each, known or not by the set: a share of independent draws, p (1 - p) / n its variance.
        double[] widths = [.. Enumerable.Range(0, 8).Select(seed =>
        {
            var (synthetic, real) = Sets("near");
            var random = new Random(seed);
            string[] texts = [.. synthetic.Texts.Select((_, i) => random.NextDouble() < 0.5 ? "same" : $"own{i}")];
            var options = Quick with { Seed = (ulong)seed, HalfSamples = 60, Metrics = MetricGroups.NGrams, Ceiling = false };
            var value = Evaluate(synthetic with { Texts = texts, Embeddings = null }, real with { Embeddings = null }, options)["unique_1"]!;
            return value.High!.Value - value.Low!.Value;
        })];

        // Twice 1.96 standard errors; the mean of eight widths from 60 halves each is known to about 3%.
        Assert.InRange(widths.Average(), 0.85 * 3.92 * Math.Sqrt(0.25 / 220), 1.15 * 3.92 * Math.Sqrt(0.25 / 220));
    }

    [Fact]
    public void Sets_are_cut_to_one_size_and_larger_ones_to_the_most_texts()
    {
        var (synthetic, real) = Sets("near");
        var report = Evaluate(synthetic, real.Select([.. Enumerable.Range(0, 101)]), Quick with { Metrics = MetricGroups.Lengths });
        Assert.Equal((220, 101, 101, 50), (report.SyntheticTexts, report.RealTexts, report.Compared, report.Half));
        Assert.Contains(report.Notes, n => n.Contains("101 of 220", StringComparison.Ordinal));
        Assert.Equal(60, Evaluate(synthetic, real, Quick with { Metrics = MetricGroups.Lengths, MaxTexts = 60 }).Compared);
    }

    [Fact]
    public void One_repeated_text_has_values_and_no_NaN()
    {
        var (synthetic, real) = Sets("near");
        var one = synthetic.Select(new int[220]);
        Check(Evaluate(one, real, Quick));
        Check(Evaluate(real, one, Quick));
        var both = Evaluate(one, one, Quick);
        Check(both);
        Assert.True(both is { Notes.Count: 2 } && both["mauve"] is { Value: 1 } && both["copied"] is { Value: 1 } && both["frechet"] is { Value: < 1e-9 });
        Assert.Equal(1, both["self_bleu_4"]!.Value!.Value, 1e-12);
        Assert.Equal(1, both["vendi"]!.Value!.Value, 1e-9);

        var zeros = one with { Embeddings = new EmbeddingMatrix(new double[220 * 24], 24) };
        Check(Evaluate(zeros, zeros, Quick));
        Check(Evaluate(real with { Texts = [.. Enumerable.Range(0, 220).Select(i => i % 2 == 0 ? "one" : "!")] }, zeros, Quick));

        static void Check(EvaluationReport report) => Assert.All(report.Values, v =>
        {
            Assert.True(v.Value is { } value ? double.IsFinite(value) : v.Note is not null, v.Name);
            Assert.All(new[] { v.Low, v.High, v.Ceiling, v.AtCeiling }, n => Assert.True(n is null || double.IsFinite(n.Value), v.Name));
        });
    }

    [Fact]
    public void Wide_embeddings_keep_their_geometry_on_fewer_dimensions()
    {
        // 24 dimensions turned into 600 by orthonormal columns: what is reduced again must be the same up to a rotation.
        var (synthetic, real) = Sets("far");
        var random = new Random(4);
        var turn = MathNet.Numerics.LinearAlgebra.Matrix<double>.Build.Dense(600, 24, (_, _) => random.NextDouble() - 0.5).QR().Q;
        EmbeddingMatrix Wide(EmbeddingMatrix x) => new(
            [.. Enumerable.Range(0, x.Rows).SelectMany(i => (turn * MathNet.Numerics.LinearAlgebra.Vector<double>.Build.Dense(x.Row(i).ToArray())).ToArray())], 600);
        var options = Quick with { HalfSamples = 0, Ceiling = false };
        var narrow = Evaluate(synthetic, real, options);
        var wide = Evaluate(synthetic with { Embeddings = Wide(synthetic.Embeddings!) }, real with { Embeddings = Wide(real.Embeddings!) }, options);
        Assert.Contains(wide.Notes, n => n.Contains("of 600 dimensions were reduced to 256, which keep 100.0%", StringComparison.Ordinal));
        foreach (string name in new[] { "cosine_real", "cosine_within", "cosine_nearest", "vendi", "frechet", "authenticity", "precision", "coverage", "alpha_precision" })
            Assert.Equal(narrow[name]!.Value!.Value, wide[name]!.Value!.Value, 1e-6);
    }

    [Fact]
    public void Sets_without_embeddings_say_so()
    {
        var (synthetic, real) = Sets("near");
        var report = Evaluate(synthetic with { Embeddings = null }, real, Quick);
        Assert.True(report["mauve"] is { Value: null, Note: "no embeddings" } && report["self_bleu_4"] is { Value: > 0 });
        Assert.Contains(report.Notes, n => n.Contains("no embeddings", StringComparison.Ordinal));
    }

    [Fact]
    public void What_cannot_be_evaluated_is_refused_in_a_line_that_names_it()
    {
        var (synthetic, real) = Sets("near");
        Refused("real: has 49 texts", synthetic, real.Select([.. Enumerable.Range(0, 49)]));
        Refused("synthetic: text 3 is empty", synthetic with { Texts = [.. synthetic.Texts.Select((t, i) => i == 2 ? " \n" : t)] }, real);
        Refused("220 texts and 219 embeddings", synthetic with { Embeddings = synthetic.Embeddings!.Select([.. Enumerable.Range(0, 219)]) }, real);
        Refused("of 24 dimensions and real of 12", synthetic, real with { Embeddings = new EmbeddingMatrix(new double[220 * 12], 12) });
        double[] values = synthetic.Embeddings!.Values.ToArray();
        values[24 * 6 + 1] = -1e31;
        Refused("synthetic: its embeddings hold -1.0e+31", synthetic with { Embeddings = new EmbeddingMatrix(values, 24) }, real);
        values[24 * 6 + 1] = double.NaN;
        Assert.Contains("text 7", Assert.Throws<SteerException>(() => new EmbeddingMatrix(values, 24)).Message, StringComparison.Ordinal);
        Assert.Throws<SteerException>(() => new Evaluator(Quick with { HalfSamples = 1 }));

        static void Refused(string says, EvaluationSet synthetic, EvaluationSet real) =>
            Assert.Contains(says, Assert.Throws<SteerException>(() => Evaluate(synthetic, real, Quick)).Message, StringComparison.Ordinal);
    }

    private static EvaluationReport Evaluate(EvaluationSet synthetic, EvaluationSet real, EvaluationOptions options)
    {
        using var evaluator = new Evaluator(options);
        return evaluator.Evaluate(synthetic, real);
    }

    /// <summary>Golden embeddings with texts beside them: sentences of the n-gram golden, told apart by a number.</summary>
    private static (EvaluationSet Synthetic, EvaluationSet Real) Sets(string name)
    {
        var (real, synthetic) = EmbeddingMetricTests.Embeddings(name);
        return (Set("synthetic", synthetic), Set("real", real));

        static EvaluationSet Set(string side, EmbeddingMatrix embeddings)
        {
            var texts = TextMetricTests.Texts(side).ToList();
            return new EvaluationSet
            {
                Name = side,
                Texts = [.. Enumerable.Range(0, embeddings.Rows).Select(i => $"{texts[i % texts.Count]} {i / texts.Count}")],
                Embeddings = embeddings,
                Scores = [new ModelScores("expert", [.. Enumerable.Repeat(-20.0, embeddings.Rows)], [.. Enumerable.Repeat(10, embeddings.Rows)])],
            };
        }
    }
}
