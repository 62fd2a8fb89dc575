using Steer.Runtime.Engine;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// What synthetic texts are good for: logistic regression learns their labels and is tested on real texts, beside the same learner on as many real
/// texts. The real set is split in halves, class by class, several times; scores are means over the splits.
/// </summary>
internal static class DownstreamCheck
{
    private const int Splits = 5;
    private const int MostClasses = 100;

    // Streams of random choices.
    private const uint SyntheticStream = 16, FirstClassStream = 32;

    /// <summary>Runs the check; null where either set has no labels.</summary>
    public static DownstreamResult? Run(EvaluationSet synthetic, EvaluationSet real, ulong seed, CancellationToken stop = default)
    {
        if (synthetic.Labels is null || real.Labels is null)
            return null;
        int given = synthetic.Texts.Count + real.Texts.Count;
        (synthetic, real) = (Labelled(synthetic), Labelled(real));
        int unlabelled = given - synthetic.Texts.Count - real.Texts.Count;
        string[] classes = [.. real.Labels!.Distinct().Order(StringComparer.Ordinal)!];
        string[] missing = [.. classes.Except(synthetic.Labels!)!];
        int[] usable = [.. Enumerable.Range(0, synthetic.Texts.Count).Where(i => classes.Contains(synthetic.Labels![i]))];
        string? problem = classes.Length == 0 ? "No real text has a label."
            : classes.Length == 1 ? $"Real texts have one class alone, {classes[0]}: there is nothing to tell apart."
            : classes.Length > MostClasses ? $"Real texts have {classes.Length} classes; the check takes at most {MostClasses}."
            : usable.Length == 0 ? "No synthetic text has a class of the real ones." : null;
        if (problem is not null)
        {
            return new DownstreamResult
            {
                TrainedOn = 0,
                TestedOn = 0,
                Classes = classes,
                MissingClasses = missing,
                Scores = [],
                Majority = default,
                Note = problem,
            };
        }

        var check = new Data(synthetic.Select(usable), real, classes);
        var splits = Enumerable.Range(0, Splits).Select(s => check.Split(Seeds.Derive(seed, s))).ToList();
        var scores = check.Features(synthetic.Embeddings is not null && real.Embeddings is not null)
            .Select(f => check.Score(f.Name, f.Fit, splits, stop)).ToList();
        return new DownstreamResult
        {
            TrainedOn = splits[0].Synthetic.Length,
            TestedOn = splits[0].Test.Length,
            Classes = classes,
            MissingClasses = missing,
            Scores = scores,
            Majority = check.Majority(splits),
            Note = Note(unlabelled, synthetic.Texts.Count - usable.Length, scores),
        };
    }

    private static EvaluationSet Labelled(EvaluationSet set) =>
        set.Select([.. Enumerable.Range(0, set.Texts.Count).Where(i => set.Labels![i] is not null)]);

    private static string? Note(int unlabelled, int unknown, List<DownstreamScore> scores)
    {
        string[] notes =
        [
            .. unlabelled > 0 ? [$"Left out, since they have no label: {unlabelled} of the texts."] : Array.Empty<string>(),
            .. unknown > 0 ? [$"Left out, since no real text has their classes: {unknown} of the synthetic texts."] : Array.Empty<string>(),
            .. scores.Any(s => s.Synthetic is null)
                ? ["Synthetic texts have one class alone, so nothing can be learned from them."]
                : Array.Empty<string>(),
        ];
        return notes.Length > 0 ? string.Join(' ', notes) : null;
    }

    /// <summary>Places of the texts of a split: of the synthetic set, and of the two halves of the real one.</summary>
    private sealed record Split(int[] Synthetic, int[] Train, int[] Test);

    private delegate Func<int, int> Learner(bool synthetic, int[] training, int[] test);

    private sealed class Data
    {
        private readonly EvaluationSet _synthetic;
        private readonly EvaluationSet _real;
        private readonly int[] _syntheticClasses;
        private readonly int[] _realClasses;
        private readonly int _classes;

        public Data(EvaluationSet synthetic, EvaluationSet real, string[] classes)
        {
            (_synthetic, _real, _classes) = (synthetic, real, classes.Length);
            _syntheticClasses = [.. synthetic.Labels!.Select(l => Array.IndexOf(classes, l))];
            _realClasses = [.. real.Labels!.Select(l => Array.IndexOf(classes, l))];
        }

        /// <summary>Halves of the real texts with the same share of each class; training sets of one size.</summary>
        public Split Split(ulong seed)
        {
            var train = new List<int>();
            var test = new List<int>();
            for (int c = 0; c < _classes; c++)
            {
                int[] own = [.. Enumerable.Range(0, _realClasses.Length).Where(i => _realClasses[i] == c)];
                int[] order = RandomSubset.Permutation(own.Length, seed, FirstClassStream + (uint)c);

                // Of classes with an odd number, every other gives its last text to the training half.
                int half = (own.Length + c % 2) / 2;
                train.AddRange(order.Take(half).Select(i => own[i]));
                test.AddRange(order.Skip(half).Select(i => own[i]));
            }

            int size = Math.Min(train.Count, _synthetic.Texts.Count);
            int[] real = RandomSubset.Draw(train.Count, size, seed, SyntheticStream + 1);
            return new Split(RandomSubset.Draw(_synthetic.Texts.Count, size, seed, SyntheticStream), [.. real.Select(i => train[i])], [.. test]);
        }

        public IEnumerable<(string Name, Learner Fit)> Features(bool embeddings)
        {
            if (embeddings)
                yield return ("embeddings", Embeddings);
            var words = new WordSequences();
            int[][] synthetic = words.Add(_synthetic.Texts), real = words.Add(_real.Texts);
            yield return ("ngrams", (ofSynthetic, training, test) =>
            {
                var (train, tested) = HashedNGrams.Of(training.Select(i => (ofSynthetic ? synthetic : real)[i]), test.Select(i => real[i]), words);
                return Learn(train, tested, Classes(ofSynthetic, training));
            });
        }

        public DownstreamScore Score(string name, Learner learner, IReadOnlyList<Split> splits, CancellationToken stop)
        {
            var synthetic = new ClassifierScore?[splits.Count];
            var real = new ClassifierScore?[splits.Count];
            Parallel.For(0, splits.Count, new ParallelOptions { CancellationToken = stop }, s =>
            {
                synthetic[s] = ScoreOn(learner, true, splits[s].Synthetic, splits[s].Test);
                real[s] = ScoreOn(learner, false, splits[s].Train, splits[s].Test);
            });
            return new DownstreamScore(name, Mean(synthetic), Mean(real));
        }

        /// <summary>Always telling the most frequent class of the training half.</summary>
        public ClassifierScore Majority(IReadOnlyList<Split> splits) => Mean([.. splits.Select(s =>
        {
            int most = s.Train.GroupBy(i => _realClasses[i]).OrderByDescending(g => g.Count()).ThenBy(g => g.Key).First().Key;
            return (ClassifierScore?)Score([.. s.Test.Select(i => _realClasses[i])], _ => most);
        })])!.Value;

        private ClassifierScore? ScoreOn(Learner learner, bool synthetic, int[] training, int[] test) =>
            Classes(synthetic, training).Distinct().Count() < 2
                ? null
                : Score([.. test.Select(i => _realClasses[i])], learner(synthetic, training, test));

        private Func<int, int> Embeddings(bool synthetic, int[] training, int[] test)
        {
            var (train, tested) = DenseFeatures.Standardised(
                (synthetic ? _synthetic : _real).Embeddings!.Select(training), _real.Embeddings!.Select(test));
            return Learn(train, tested, Classes(synthetic, training));
        }

        private int[] Classes(bool synthetic, int[] places) => [.. places.Select(i => (synthetic ? _syntheticClasses : _realClasses)[i])];

        /// <summary>Learns the classes that occur; gives the class told for each test row.</summary>
        private static Func<int, int> Learn(IFeatures train, IFeatures test, int[] classes)
        {
            int[] occurring = [.. classes.Distinct().Order()];
            var model = LogisticRegression.Fit(train, [.. classes.Select(c => Array.IndexOf(occurring, c))], occurring.Length);
            return row => occurring[model.Predict(test, row)];
        }

        private ClassifierScore Score(int[] truth, Func<int, int> told)
        {
            int[] right = new int[_classes], wrong = new int[_classes], missed = new int[_classes];
            for (int i = 0; i < truth.Length; i++)
            {
                int answer = told(i);
                if (answer == truth[i])
                {
                    right[answer]++;
                }
                else
                {
                    wrong[answer]++;
                    missed[truth[i]]++;
                }
            }

            double f1 = Enumerable.Range(0, _classes).Where(c => right[c] + missed[c] > 0)
                .Average(c => 2.0 * right[c] / (2 * right[c] + wrong[c] + missed[c]));
            return new ClassifierScore((double)right.Sum() / truth.Length, f1);
        }

        private static ClassifierScore? Mean(IReadOnlyList<ClassifierScore?> scores) => scores.Any(s => s is null)
            ? null
            : new ClassifierScore(scores.Average(s => s!.Value.Accuracy), scores.Average(s => s!.Value.MacroF1));
    }
}
