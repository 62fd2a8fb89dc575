using Steer.Kernels;

namespace Steer.Runtime.Evaluation;

/// <summary>Every metric, in the order of a table.</summary>
internal static class MetricList
{
    /// <summary>Texts that the Vendi score of n-grams looks at: its time grows with the third power.</summary>
    private const int VendiTexts = 500;
    private const int Folds = 5;
    private const int MaxBleuOrder = 5;

    /// <summary>All families.</summary>
    /// <param name="device">Multiplies for MAUVE.</param>
    /// <param name="models">Models that texts were scored under.</param>
    public static IReadOnlyList<MetricFamily> Create(Device device, IReadOnlyList<string> models) =>
    [
        NGrams(), SelfBleus(), NGramVendi(), Copies(), MeanLength(), LengthDistance(), .. models.Select(Perplexity),
        CosineToReal(), CosineWithin(), CosineToNearest(), EmbeddingVendi(), MauveScores(device), Adversarial(), Support(), Balls(), Frechet(),
    ];

    private static MetricFamily NGrams() => new(
        MetricGroups.NGrams,
        [
            .. Enumerable.Range(1, EvaluationPair.NGramOrders).Select(n => new MetricInfo($"unique_{n}", $"unique {n}-grams", Direction.Ceiling)),
            .. Enumerable.Range(1, EvaluationPair.NGramOrders).Select(
                n => new MetricInfo($"unique_within_{n}", $"unique {n}-grams within texts", Direction.Ceiling)),
            new MetricInfo("diversity", "diversity", Direction.Ceiling),
        ],
        false,
        pair =>
        [
            .. pair.JoinedNGrams.Select(c => (Measurement)c.Share), .. pair.NGramsWithin.Select(c => (Measurement)c.Share),
            UniqueNGrams.Diversity(pair.JoinedNGrams),
        ]);

    private static MetricFamily SelfBleus() => new(
        MetricGroups.SelfBleu,
        [.. Enumerable.Range(2, MaxBleuOrder - 1).Select(n => new MetricInfo($"self_bleu_{n}", $"self-BLEU-{n}", Direction.Ceiling))],
        false,
        pair => [.. SelfBleu.PerText(pair.Synthetic.Words, MaxBleuOrder).Skip(1).Select(scores => (Measurement)scores.Average())]);

    private static MetricFamily NGramVendi() => new(
        MetricGroups.Vendi, [new MetricInfo("vendi_ngrams", "Vendi, n-grams", Direction.Ceiling, 1, double.MaxValue)], false, pair =>
        {
            int texts = Math.Min(pair.Synthetic.Words.Length, (int)(VendiTexts * pair.Share));
            string? note = texts < pair.Synthetic.Words.Length ? $"of {texts} texts" : null;
            return [new Measurement(Vendi.OfNGrams(pair.Synthetic.Words[..texts]), Note: note)];
        });

    private static MetricFamily Copies() => new(
        MetricGroups.Copied,
        [
            new MetricInfo("copied", "copied whole", Direction.Lower),
            new MetricInfo("copied_half", "copied half or more", Direction.Lower),
            new MetricInfo("copied_run", "longest copied run, words", Direction.Ceiling, 0, double.MaxValue),
        ],
        false,
        pair =>
        {
            var copies = CopiedText.Find(pair.Synthetic.Words, pair.Real.Words);
            double[] Of(Func<Copy, int, double> value) => [.. copies.Select((c, i) => value(c, pair.Synthetic.Words[i].Length))];
            return
            [
                Measurement.MeanOf(Of((c, _) => c.Exact ? 1 : 0)),
                Measurement.MeanOf(Of((c, length) => length > 0 && 2 * c.LongestRun >= length ? 1 : 0)),
                Measurement.MeanOf(Of((c, _) => c.LongestRun)),
            ];
        });

    private static MetricFamily MeanLength() => new(
        MetricGroups.Lengths, [new MetricInfo("length", "length, words", Direction.Ceiling, 0, double.MaxValue)], false,
        pair => [Measurement.MeanOf([.. pair.Synthetic.Words.Select(w => (double)w.Length)])]);

    private static MetricFamily LengthDistance() => new(
        MetricGroups.Lengths, [new MetricInfo("length_distance", "length, distance from real", Direction.Lower)], false,
        pair => [LengthDistribution.Distance(pair.Synthetic.Words, pair.Real.Words)]);

    private static MetricFamily Perplexity(string model) => new(
        MetricGroups.Perplexity, [new MetricInfo($"perplexity_{model}", $"perplexity, {model}", Direction.Ceiling, 1, double.MaxValue)], false,
        pair =>
        {
            if (pair.Synthetic.Scores.FirstOrDefault(s => s.Model == model) is not { Perplexity: { } perplexity } scores)
                return [new Measurement(null, Note: "not scored")];
            double[] losses = [.. scores.LogProbs.Select(p => -p)], tokens = [.. scores.Tokens.Select(t => (double)t)];
            return [new Measurement(perplexity, (resamples, seed) => [.. Bootstrap.Ratios(losses, tokens, resamples, seed).Select(Math.Exp)])];
        });

    private static MetricFamily CosineToReal() => new(
        MetricGroups.Cosine, [new MetricInfo("cosine_real", "cosine to real", Direction.Ceiling, -1)], true,
        pair => [Measurement.MeanOf(CosineSimilarity.ToReal(pair.Synthetic.Embeddings!, pair.Real.Embeddings!))]);

    private static MetricFamily CosineWithin() => new(
        MetricGroups.Cosine, [new MetricInfo("cosine_within", "cosine within the set", Direction.Ceiling, -1)], true,
        pair => [CosineSimilarity.Within(pair.Synthetic.Embeddings!)]);

    private static MetricFamily CosineToNearest() => new(
        MetricGroups.Cosine, [new MetricInfo("cosine_nearest", "cosine to the nearest real", Direction.Ceiling, -1)], true,
        pair => [Measurement.MeanOf(CosineSimilarity.ToNearestReal(pair.Synthetic.Embeddings!, pair.Real.Embeddings!))]);

    private static MetricFamily EmbeddingVendi() => new(
        MetricGroups.Vendi, [new MetricInfo("vendi", "Vendi", Direction.Ceiling, 1, double.MaxValue)], true,
        pair => [Vendi.OfEmbeddings(pair.Synthetic.Embeddings!)]);

    private static MetricFamily MauveScores(Device device) => new(
        MetricGroups.Mauve,
        [new MetricInfo("mauve", "MAUVE", Direction.Higher), new MetricInfo("frontier_integral", "frontier integral", Direction.Lower)], true,
        pair =>
        {
            var result = Mauve.Of(device, pair.Real.Embeddings!, pair.Synthetic.Embeddings!, pair.Seed);
            return [result.Score, result.FrontierIntegral];
        })
    {
        OnDevice = true,
    };

    private static MetricFamily Adversarial() => new(
        MetricGroups.Adversarial, [new MetricInfo("auroc", "adversarial AUROC", Direction.Ceiling)], true, pair =>
        {
            var result = AdversarialClassifier.Run(pair.Real.Embeddings!, pair.Synthetic.Embeddings!, Folds, pair.Seed);
            return [new Measurement(result.Mean, result.Bootstrap)];
        });

    private static MetricFamily Support() => new(
        MetricGroups.Authenticity,
        [
            new MetricInfo("authenticity", "authenticity", Direction.Ceiling),
            new MetricInfo("alpha_precision", "alpha-precision", Direction.Higher, -1),
            new MetricInfo("beta_recall", "beta-recall", Direction.Higher, -1),
        ],
        true,
        pair =>
        [
            Evaluation.Authenticity.Of(pair.Distances).Average(a => a ? 1.0 : 0),
            AlphaPrecision.Precision(pair.Synthetic.Embeddings!, pair.Real.Embeddings!).Delta,
            AlphaPrecision.Recall(pair.Synthetic.Embeddings!, pair.Distances).Delta,
        ]);

    private static MetricFamily Balls() => new(
        MetricGroups.PrecisionRecall,
        [
            new MetricInfo("precision", "precision", Direction.Higher), new MetricInfo("recall", "recall", Direction.Higher),
            new MetricInfo("density", "density", Direction.Higher, 0, double.MaxValue), new MetricInfo("coverage", "coverage", Direction.Higher),
        ],
        true,
        pair =>
        {
            var result = PrecisionRecall.Of(pair.Distances);
            return [result.Precision, result.Recall, result.Density, result.Coverage];
        });

    private static MetricFamily Frechet() => new(
        MetricGroups.Frechet, [new MetricInfo("frechet", "Frechet distance", Direction.Lower, 0, double.MaxValue)], true,
        pair => [FrechetDistance.Between(pair.Synthetic.Embeddings!, pair.Real.Embeddings!)]);
}
