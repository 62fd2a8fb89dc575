using System.Globalization;
using Steer.Kernels;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// Computes every metric of a synthetic set against a real one, cut to one size; its 95% interval, by bootstrap or by half-samples without
/// replacement; and beside it the ceiling: one half of the real set against the other, with as many synthetic texts against the same half.
/// </summary>
/// <remarks>
/// The variance of a statistic over halves drawn without replacement is that of the statistic on the whole set (the delete-half jackknife: Shao and
/// Wu, 1989), so the interval lies around the value of the whole set with the spread of the halves.
/// </remarks>
public sealed class Evaluator : IDisposable
{
    private const double Tail = 0.025;
    private const double NormalQuantile = 1.959964;

    // Streams of random choices.
    private const uint HalvesStream = 1, CeilingCut = 2, SyntheticHalf = 3, RealHalf = 4;

    private readonly Device _device = Devices.Open("cpu");
    private readonly EvaluationOptions _options;
    private readonly Action<string, double>? _progress;

    /// <param name="options">How to evaluate.</param>
    /// <param name="progress">Called with what is being done and the share of it that is done, from any thread.</param>
    /// <exception cref="SteerException">An option is outside its range.</exception>
    public Evaluator(EvaluationOptions options, Action<string, double>? progress = null)
    {
        options.Check();
        _options = options;
        _progress = progress;
    }

    /// <summary>Evaluates a synthetic set.</summary>
    /// <exception cref="SteerException">A set is too small, holds empty texts, or the sets' embeddings differ in width.</exception>
    public EvaluationReport Evaluate(EvaluationSet synthetic, EvaluationSet real, CancellationToken stop = default)
    {
        synthetic.Check();
        real.Check();
        CheckEmbeddings(synthetic, real);
        int compared = Math.Min(_options.MaxTexts, Math.Min(synthetic.Texts.Count, real.Texts.Count));
        var pair = Pair(synthetic.AtMost(compared, _options.Seed), real.AtMost(compared, Seeds.Derive(_options.Seed, 1)), out double kept);
        var families = MetricList.Create(_device, [.. synthetic.Scores.Concat(real.Scores).Select(s => s.Model).Distinct()])
            .Where(f => _options.Metrics.HasFlag(f.Group)).ToList();

        var (ceiling, atCeiling) = Halves(pair);
        var rows = new List<Row>();
        foreach (var family in families)
        {
            stop.ThrowIfCancellationRequested();
            _progress?.Invoke("metrics", (double)rows.Count / families.Count);
            rows.Add(Values(family, pair, _options.Ceiling ? ceiling : null, atCeiling));
        }

        AddHalfSampleIntervals(families, rows, pair, stop);
        return new EvaluationReport
        {
            Synthetic = synthetic.Name,
            Real = real.Name,
            SyntheticTexts = synthetic.DrawnFrom ?? synthetic.Texts.Count,
            RealTexts = real.DrawnFrom ?? real.Texts.Count,
            Compared = compared,
            Half = ceiling.Real.Words.Length,
            Words = pair.WordBudget,
            EmbeddingDimensions = synthetic.Embeddings is not null && real.Embeddings is not null ? real.Embeddings.Dimensions : 0,
            Seed = _options.Seed,
            Values = [.. rows.SelectMany(r => r.Values)],
            SyntheticLengths = LengthDistribution.Of(pair.Synthetic.Words),
            RealLengths = LengthDistribution.Of(pair.Real.Words),
            Downstream = DownstreamCheck.Run(synthetic, real, _options.Seed, stop),
            Notes = Notes(synthetic, real, compared, kept),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _device.Dispose();

    private static void CheckEmbeddings(EvaluationSet synthetic, EvaluationSet real)
    {
        if (synthetic.Embeddings is { } a && real.Embeddings is { } b && a.Dimensions != b.Dimensions)
        {
            throw new SteerException(
                $"{synthetic.Name} has embeddings of {a.Dimensions} dimensions and {real.Name} of {b.Dimensions}. Compute both with the same model.");
        }
    }

    /// <summary>What metrics look at; <paramref name="kept"/> is the share of their squares that embeddings keep where they are reduced.</summary>
    private EvaluationPair Pair(EvaluationSet synthetic, EvaluationSet real, out double kept)
    {
        var words = new WordSequences();
        (EmbeddingMatrix? ofSynthetic, EmbeddingMatrix? ofReal, kept) = synthetic.Embeddings is { } a && real.Embeddings is { } b
            ? EmbeddingReduction.Reduce(a, b, _options.MaxDimensions, _options.Seed)
            : (null, null, 1.0);
        return EvaluationPair.Of(
            new EvaluationPair.Side(words.Add(synthetic.Texts), ofSynthetic, synthetic.Scores),
            new EvaluationPair.Side(words.Add(real.Texts), ofReal, real.Scores),
            _options.Seed, _options.MaxWords ?? int.MaxValue);
    }

    private List<string> Notes(EvaluationSet synthetic, EvaluationSet real, int compared, double kept)
    {
        var notes = new List<string>();
        foreach (var set in new[] { synthetic, real })
        {
            int all = set.DrawnFrom ?? set.Texts.Count;
            if (all > compared)
            {
                notes.Add(string.Create(
                    CultureInfo.InvariantCulture, $"{set.Name}: {compared} of {all} texts, drawn at random, so that both sets have one size."));
            }

            int distinct = set.Texts.Distinct(StringComparer.Ordinal).Count();
            if (distinct == 1)
                notes.Add($"{set.Name}: all texts are the same.");
            else if (distinct < set.Texts.Count)
            {
                notes.Add(
                    $"{set.Name}: {set.Texts.Count - distinct} of {set.Texts.Count} texts " +
                    $"{(set.Texts.Count - distinct == 1 ? "repeats" : "repeat")} another.");
            }

            if (set.Embeddings is null && _options.Metrics >= MetricGroups.Cosine)
                notes.Add($"{set.Name}: no embeddings, so metrics of embeddings are left out.");
        }

        if (real.Embeddings?.Dimensions > _options.MaxDimensions && synthetic.Embeddings is not null)
        {
            notes.Add(string.Create(
                CultureInfo.InvariantCulture,
                $"Embeddings of {real.Embeddings.Dimensions} dimensions were reduced to {_options.MaxDimensions}, " +
                $"which keep {kept:0.0%} of their squared length."));
        }

        return notes;
    }

    /// <summary>One half of the real set against the other, and as many synthetic texts against the latter, over the same number of words.</summary>
    private (EvaluationPair Ceiling, EvaluationPair AtCeiling) Halves(EvaluationPair pair)
    {
        int half = pair.Real.Words.Length / 2;
        int[] order = RandomSubset.Permutation(pair.Real.Words.Length, _options.Seed, HalvesStream);
        int[] one = [.. order.Take(half).Order()], other = [.. order.Skip(half).Take(half).Order()];
        int[] drawn = RandomSubset.Draw(pair.Synthetic.Words.Length, half, _options.Seed, CeilingCut);
        int budget = Math.Min(drawn.Sum(p => pair.Synthetic.Words[p].Length), one.Sum(p => pair.Real.Words[p].Length));
        budget = Math.Min(budget, _options.MaxWords ?? int.MaxValue);
        return (pair.RealAgainstReal(one, other, _options.Seed, budget), pair.Select(drawn, other, _options.Seed, budget));
    }

    private Row Values(MetricFamily family, EvaluationPair pair, EvaluationPair? ceiling, EvaluationPair atCeiling)
    {
        bool missing = family.NeedsEmbeddings && (pair.Synthetic.Embeddings is null || pair.Real.Embeddings is null);
        if (missing)
            return new Row([.. family.Metrics.Select(m => Describe(family, m) with { Note = "no embeddings" })], NeedsHalves: false);
        Measurement[] full = family.Measure(pair);
        Measurement[]? best = ceiling is null ? null : family.Measure(ceiling), beside = ceiling is null ? null : family.Measure(atCeiling);
        var values = new MetricValue[full.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = Describe(family, family.Metrics[i]) with
            {
                Value = Finite(full[i].Value),
                Ceiling = Finite(best?[i].Value),
                AtCeiling = Finite(beside?[i].Value),
                Note = full[i].Note ?? (Finite(full[i].Value) is null ? "not defined" : null),
            };
            if (full[i].Resample is { } resample && _options.Bootstrap > 0 && values[i].Value is not null)
            {
                double[] resamples = resample(_options.Bootstrap, Seeds.Derive(_options.Seed, 1));
                double? low = Finite(Quantile.OfSorted(resamples, Tail)), high = Finite(Quantile.OfSorted(resamples, 1 - Tail));
                values[i] = values[i] with { Low = low, High = high };
            }
        }

        return new Row(values, full.Any(m => m.Resample is null && m.Value is not null));
    }

    /// <summary>Measures pairs of half-samples, and puts an interval of their spread around values that have none.</summary>
    private void AddHalfSampleIntervals(List<MetricFamily> families, List<Row> rows, EvaluationPair pair, CancellationToken stop)
    {
        int count = _options.HalfSamples;
        int[] halved = [.. Enumerable.Range(0, families.Count).Where(f => rows[f].NeedsHalves)];
        if (count == 0 || halved.Length == 0)
            return;
        var measured = new Measurement[count][][];
        var processors = new ParallelOptions { MaxDegreeOfParallelism = Math.Min(4, Environment.ProcessorCount), CancellationToken = stop };
        int done = 0;
        Parallel.For(0, count, processors, sample =>
        {
            var half = HalfSample(pair, sample);
            measured[sample] = [.. halved.Select(f => families[f].OnDevice ? [] : families[f].Measure(half))];
            _progress?.Invoke("half-samples", Interlocked.Increment(ref done) / (double)count);
        });
        for (int sample = 0; sample < count; sample++)
        {
            for (int i = 0; i < halved.Length; i++)
            {
                stop.ThrowIfCancellationRequested();
                if (families[halved[i]].OnDevice)
                    measured[sample][i] = families[halved[i]].Measure(HalfSample(pair, sample));
            }
        }

        for (int i = 0; i < halved.Length; i++)
        {
            var values = rows[halved[i]].Values;
            for (int m = 0; m < values.Length; m++)
            {
                if (values[m].Value is { } value && values[m].Low is null)
                    values[m] = WithInterval(values[m], value, families[halved[i]].Metrics[m], [.. measured.Select(s => s[i][m].Value)]);
            }
        }
    }

    private EvaluationPair HalfSample(EvaluationPair pair, int sample)
    {
        ulong seed = Seeds.Derive(_options.Seed, sample + 2);
        return pair.Select(
            RandomSubset.Draw(pair.Synthetic.Words.Length, pair.Synthetic.Words.Length / 2, seed, SyntheticHalf),
            RandomSubset.Draw(pair.Real.Words.Length, pair.Real.Words.Length / 2, seed, RealHalf), seed, share: 0.5);
    }

    private static MetricValue WithInterval(MetricValue row, double value, MetricInfo metric, double?[] halves)
    {
        double[] known = [.. halves.Where(h => Finite(h) is not null).Select(h => h!.Value)];
        if (known.Length < 2)
            return row;
        double mean = known.Average(), spread = Math.Sqrt(known.Sum(k => (k - mean) * (k - mean)) / (known.Length - 1));
        return row with
        {
            Low = Math.Min(value, Math.Max(metric.Least, value - NormalQuantile * spread)),
            High = Math.Max(value, Math.Min(metric.Most, value + NormalQuantile * spread)),
        };
    }

    private static double? Finite(double? value) => value is { } v && double.IsFinite(v) ? v : null;

    private static MetricValue Describe(MetricFamily family, MetricInfo metric) =>
        new() { Name = metric.Name, Group = family.Group, Title = metric.Title, Direction = metric.Direction };

    /// <summary>Values of a family.</summary>
    private sealed record Row(MetricValue[] Values, bool NeedsHalves);
}
