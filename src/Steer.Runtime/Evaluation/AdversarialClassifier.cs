using Steer.Kernels;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// How well a classifier tells real from synthetic embeddings: logistic regression on standardised columns, tested on the fold that it has not seen.
/// The area under its curve is 0.5 where the sets cannot be told apart and 1 where they always can.
/// </summary>
public sealed class AdversarialClassifier
{
    private readonly IReadOnlyList<Fold> _folds;

    private AdversarialClassifier(IReadOnlyList<Fold> folds) => _folds = folds;

    /// <summary>Area under the curve of each fold.</summary>
    public IReadOnlyList<double> PerFold => [.. _folds.Select(f => f.Area)];

    /// <summary>Their mean.</summary>
    public double Mean => PerFold.Average();

    /// <summary>Trains and tests over folds that hold the same share of both sets.</summary>
    /// <param name="real">Real embeddings, the positives.</param>
    /// <param name="synthetic">Synthetic embeddings.</param>
    /// <param name="folds">How many.</param>
    /// <param name="seed">Of the folds.</param>
    public static AdversarialClassifier Run(EmbeddingMatrix real, EmbeddingMatrix synthetic, int folds, ulong seed)
    {
        int[] realOrder = RandomSubset.Permutation(real.Rows, seed, 0), syntheticOrder = RandomSubset.Permutation(synthetic.Rows, seed, 1);
        return Run(real, synthetic, [.. Enumerable.Range(0, folds).Select(fold => (int[])
        [
            .. realOrder.Where((_, i) => i % folds == fold),
            .. syntheticOrder.Where((_, i) => i % folds == fold).Select(i => real.Rows + i),
        ])]);
    }

    /// <summary>Trains and tests over given folds.</summary>
    /// <param name="real">Real embeddings, the positives.</param>
    /// <param name="synthetic">Synthetic embeddings.</param>
    /// <param name="folds">Places of the test rows of each fold, real rows first; every place once, and each fold with rows of both.</param>
    public static AdversarialClassifier Run(EmbeddingMatrix real, EmbeddingMatrix synthetic, IReadOnlyList<int[]> folds)
    {
        EmbeddingMatrix all = real.Above(synthetic);
        var results = new Fold[folds.Count];
        Parallel.For(0, folds.Count, f =>
        {
            var tested = folds[f].ToHashSet();
            int[] training = [.. Enumerable.Range(0, all.Rows).Where(i => !tested.Contains(i))];
            var (train, test) = DenseFeatures.Standardised(all.Select(training), all.Select(folds[f]));
            var model = LogisticRegression.Fit(train, [.. training.Select(i => i < real.Rows ? 1 : 0)], 2);
            results[f] = new Fold(
                [.. Enumerable.Range(0, test.Rows).Select(i => model.Score(test, i))], [.. folds[f].Select(i => i < real.Rows)]);
        });
        return new AdversarialClassifier(results);
    }

    /// <summary>Means over the folds of resamples of the test rows with replacement, real and synthetic rows apart, ascending.</summary>
    public double[] Bootstrap(int resamples, ulong seed)
    {
        var means = new double[resamples];
        Parallel.For(0, resamples, r =>
        {
            double sum = 0;
            for (int f = 0; f < _folds.Count; f++)
                sum += _folds[f].Resample(seed, (uint)(r * _folds.Count + f));
            means[r] = sum / _folds.Count;
        });
        Array.Sort(means);
        return means;
    }

    private sealed class Fold(double[] scores, bool[] positive)
    {
        private readonly int[] _order = RocCurve.Order(scores);
        private readonly int[] _positives = [.. Enumerable.Range(0, scores.Length).Where(i => positive[i])];
        private readonly int[] _negatives = [.. Enumerable.Range(0, scores.Length).Where(i => !positive[i])];

        public double Area { get; } = RocCurve.Area(scores, positive)
            ?? throw new ArgumentException("A fold holds rows of one set alone.");

        public double Resample(ulong seed, uint stream)
        {
            var weights = new int[scores.Length];
            int step = 0;
            foreach (int[] places in (int[][])[_positives, _negatives])
            {
                for (int i = 0; i < places.Length; i++)
                    weights[places[(int)(Philox.Uniform(seed, step++, stream) * places.Length)]]++;
            }

            return RocCurve.Area(scores, positive, weights, _order)!.Value;
        }
    }
}
