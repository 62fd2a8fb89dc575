using Steer.Runtime.Engine;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Sweeps;

/// <summary>Measures the cells of a sweep against the same real texts, over the same number of words.</summary>
public static class SweepEvaluation
{
    /// <summary>
    /// Metrics that a sweep computes: all but the Frechet distance, whose covariance takes more texts than a cell has, and the Vendi score of n-grams' time.
    /// </summary>
    public const MetricGroups Metrics = MetricGroups.All & ~MetricGroups.Frechet;

    /// <summary>Embeds all texts by the base and computes the metrics of every cell.</summary>
    /// <param name="texts">The texts of a sweep that is done.</param>
    /// <param name="title">What was swept.</param>
    /// <param name="real">Real texts that no model was trained on.</param>
    /// <param name="engine">Embeds.</param>
    /// <param name="options">How to evaluate; its word budget is set to that of the cell with the fewest words.</param>
    /// <param name="progress">Called with what is being done and the share of all work that is done.</param>
    /// <param name="stop">Ends the work.</param>
    /// <exception cref="SteerException">The real texts are too few, or one is empty.</exception>
    public static async Task<SweepResult> RunAsync(
        SweepTexts texts, string title, EvaluationSet real, SteerEngine engine, EvaluationOptions options, Action<string, double>? progress = null, CancellationToken stop = default)
    {
        real.Check();
        var asked = texts.Comparisons.Where(c => c.Asked).Select(c => c.Texts).ToHashSet();
        real = real with { Embeddings = await EmbedAsync(engine, real.Texts, real.Name, stop).ConfigureAwait(false) };
        var sets = new List<(SweepCellTexts Texts, EvaluationSet Set)>();
        foreach (var cell in texts.Measured)
        {
            progress?.Invoke("embeddings", (double)sets.Count / texts.Measured.Count);
            var spoken = cell.Texts.Where(t => !string.IsNullOrWhiteSpace(t.Text)).ToList();
            string[] written = [.. spoken.Select(t => t.Text)];
            var set = new EvaluationSet { Name = cell.Cell.Name, Texts = written, Scores = Scores(spoken) };
            sets.Add((cell, written.Length == 0 ? set : set with { Embeddings = await EmbedAsync(engine, written, set.Name, stop).ConfigureAwait(false) }));
        }

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
                report = report with { Values = [.. report.Values.Select(v => v with { Ceiling = ceilings.GetValueOrDefault(v.Name), AtCeiling = null })] };
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

    private static async Task<EmbeddingMatrix> EmbedAsync(SteerEngine engine, IReadOnlyList<string> texts, string name, CancellationToken stop)
    {
        var values = new List<float>();
        int width = 0;
        await foreach (float[] embedding in engine.EmbedAsync(texts, Variant.Base, stop).ConfigureAwait(false))
        {
            width = embedding.Length;
            values.AddRange(embedding);
        }

        return new EmbeddingMatrix(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(values), width, name);
    }
}
