using Microsoft.Extensions.AI;
using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Sweeps;

/// <summary>Measures the cells of a sweep against the same real texts, over the same number of words.</summary>
public static class SweepEvaluation
{
    /// <summary>Metrics that a sweep computes: all but the Frechet distance, whose covariance takes more texts than a cell has.</summary>
    public const MetricGroups Metrics = MetricGroups.All & ~MetricGroups.Frechet;

    /// <summary>Embeds all texts and computes the metrics of every cell.</summary>
    /// <param name="texts">The texts of a sweep that is done.</param>
    /// <param name="title">What was swept.</param>
    /// <param name="real">Real texts that no model was trained on.</param>
    /// <param name="generator">Embeds.</param>
    /// <param name="model">Name or content hash of the model that embeds.</param>
    /// <param name="data">The file of the sweep's texts, beside which embeddings are kept; null to keep none.</param>
    /// <param name="options">How to evaluate; its word budget is set to that of the cell with the fewest words.</param>
    /// <param name="progress">Called with what is being done and the share of it that is done.</param>
    /// <param name="stop">Ends the work.</param>
    /// <exception cref="SteerException">The real texts are too few, or one is empty.</exception>
    public static async Task<SweepResult> RunAsync(
        SweepTexts texts, string title, EvaluationSet real, IEmbeddingGenerator<string, Embedding<float>> generator, string model, string? data,
        EvaluationOptions options,
        Action<string, double>? progress = null, CancellationToken stop = default)
    {
        real.Check();
        var spoken = texts.Measured.Select(cell => cell.Texts.Where(t => !string.IsNullOrWhiteSpace(t.Text)).ToList()).ToList();
        string[] all = [.. real.Texts, .. spoken.SelectMany(s => s).Select(t => t.Text)];
        var embeddings = await TextEmbeddings.ComputeAsync(
            all, generator, model, data, done => progress?.Invoke("embeddings", (double)done / all.Length), stop).ConfigureAwait(false);
        int taken = 0;
        EmbeddingMatrix Next(int count) => embeddings.Select([.. Enumerable.Range((taken += count) - count, count)]);
        real = real with { Embeddings = Next(real.Texts.Count) };
        var sets = texts.Measured.Zip(spoken, (cell, own) => (cell, new EvaluationSet
        {
            Name = cell.Cell.Name,
            Texts = [.. own.Select(t => t.Text)],
            Scores = Scores(own),
            Embeddings = own.Count == 0 ? null : Next(own.Count),
        })).ToList();

        var asked = texts.Comparisons.Where(c => c.Asked).Select(c => c.Texts).ToHashSet();
        var rows = await Task.Run(() => Measure(sets, asked, real, options, progress, stop), stop).ConfigureAwait(false);
        var rowOf = rows.ToDictionary(r => r.Texts);
        return new SweepResult
        {
            Title = title,
            PerCell = texts.Measured[0].Texts.Count,
            Real = real,
            Rows = rows,
            Contrasts = [.. texts.Comparisons.SelectMany(c => Contrasts(c, rowOf))],
        };
    }

    private static List<SweepRow> Measure(
        List<(SweepCellTexts Texts, EvaluationSet Set)> sets, HashSet<SweepCellTexts> asked, EvaluationSet real, EvaluationOptions options,
        Action<string, double>? progress, CancellationToken stop)
    {
        var words = new WordSequences();
        var large = sets.Where(s => s.Set.Texts.Count >= EvaluationSet.FewestTexts).Select(s => s.Set.Texts.Sum(t => words.Add(t).Length)).ToList();
        options = options with { MaxWords = large.Count == 0 ? null : Math.Max(1, large.Min()) };
        var rows = new List<SweepRow>();
        IReadOnlyList<MetricValue>? first = null;
        foreach (var (texts, set) in sets)
        {
            progress?.Invoke($"metrics of {set.Name}", (double)rows.Count / sets.Count);
            EvaluationReport? report = null;
            if (set.Texts.Count >= EvaluationSet.FewestTexts)
            {
                // The ceiling is of the real texts alone, so it is computed once.
                using var evaluator = new Evaluator(options with { Ceiling = options.Ceiling && first is null });
                report = evaluator.Evaluate(set, real, stop);
                first ??= report.Values;
                var ceilings = first.ToDictionary(v => v.Name, v => v.Ceiling);
                report = report with { Values = [.. report.Values.Select(
                    v => v with { Ceiling = ceilings.GetValueOrDefault(v.Name), AtCeiling = null })] };
            }

            rows.Add(new SweepRow(texts, asked.Contains(texts), set, report));
        }

        return rows;
    }

    private static IEnumerable<SweepContrast> Contrasts(SweepComparison comparison, Dictionary<SweepCellTexts, SweepRow> rowOf)
    {
        (ControlKind Kind, SweepCellTexts? Control)[] controls =
        [
            (ControlKind.Temperature, comparison.Matched), (ControlKind.MaskedTemperature, comparison.MatchedMask),
            (ControlKind.MaskAlone, comparison.MaskAlone), (ControlKind.SumToOne, comparison.SumToOne),
        ];
        return from control in controls
               where control.Control is not null && rowOf.ContainsKey(control.Control)
               select new SweepContrast(rowOf[comparison.Texts], control.Kind, rowOf[control.Control!]);
    }

    /// <summary>Under the expert, as the texts were made; none where a log-probability is not finite.</summary>
    private static IReadOnlyList<ModelScores> Scores(IReadOnlyList<SweepText> texts) => texts.All(t => t.Perplexity is not null)
        ? [new ModelScores("expert", [.. texts.Select(t => -Math.Log(t.Perplexity!.Value) * t.Tokens)], [.. texts.Select(t => t.Tokens)])]
        : [];
}
