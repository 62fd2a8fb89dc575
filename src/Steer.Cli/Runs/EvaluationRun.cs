using Steer.Cli.Display;
using Steer.Cli.Input;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Guidance;
using Steer.Runtime.Hosting;

namespace Steer.Cli.Runs;

/// <summary>Gives two sets what their metrics need, embeddings and scores, and evaluates them.</summary>
/// <param name="models">Whose embeddings and perplexity.</param>
/// <param name="engineOptions">How they run.</param>
/// <param name="progress">Shows what is being done.</param>
internal sealed class EvaluationRun(ModelChoice models, EngineOptions engineOptions, Progress progress)
{
    private const MetricGroups OfEmbeddings = MetricGroups.Vendi | MetricGroups.Cosine | MetricGroups.Mauve | MetricGroups.Adversarial
        | MetricGroups.Authenticity | MetricGroups.PrecisionRecall | MetricGroups.Frechet;

    /// <summary>A file of embeddings; null to compute them.</summary>
    public string? Embeddings { get; init; }

    /// <summary>False where no model is to be loaded: what needs one is left out.</summary>
    public bool UsesModels { get; init; }

    /// <summary>Keeps embeddings beside the texts.</summary>
    public bool Cache { get; init; }

    /// <summary>Evaluates the sets. They are cut to the most texts first, so that nothing is computed that no metric looks at.</summary>
    /// <returns>What was found, and the sets with what was computed of each text.</returns>
    public async Task<(EvaluationReport Report, EvaluationSet Synthetic, EvaluationSet Real)> EvaluateAsync(
        EvaluationSet synthetic, EvaluationSet real, EvaluationOptions options, CancellationToken stop)
    {
        if (Embeddings is not null)
        {
            var (ofReal, ofSynthetic) = EmbeddingFile.Read(Embeddings);
            (real, synthetic) = (real with { Embeddings = ofReal }, synthetic with { Embeddings = ofSynthetic });
        }

        synthetic.Check();
        real.Check();
        synthetic = synthetic.AtMost(options.MaxTexts, options.Seed);
        real = real.AtMost(options.MaxTexts, options.Seed);
        bool embeds = Embeddings is null && (options.Metrics & OfEmbeddings) != 0,
            scores = UsesModels && options.Metrics.HasFlag(MetricGroups.Perplexity);
        if (embeds || scores)
        {
            using var engine = progress.Load(engineOptions, stop);
            string model = embeds && Cache ? Model() : "";
            synthetic = await Prepare(engine, synthetic, model, embeds, scores, stop).ConfigureAwait(false);
            real = await Prepare(engine, real, model, embeds, scores, stop).ConfigureAwait(false);
        }

        using var evaluator = new Evaluator(options, progress.Doing);
        return (await Task.Run(() => evaluator.Evaluate(synthetic, real, stop), stop).ConfigureAwait(false), synthetic, real);
    }

    /// <summary>All that an embedding depends on besides its text.</summary>
    private string Model()
    {
        string tokenizer = engineOptions.Tokenizer is { } path ? ContentHash.Of(path) : "";
        return $"{ContentHash.Of(engineOptions.Base)} {tokenizer} {engineOptions.Weights} {engineOptions.ExactActivations} " +
            $"{engineOptions.KvCacheType}{(engineOptions.MaxLength is { } length ? $" {length}" : "")}";
    }

    private async Task<EvaluationSet> Prepare(SteerEngine engine, EvaluationSet set, string model, bool embeds, bool scores, CancellationToken stop)
    {
        int count = set.Texts.Count;
        if (embeds)
        {
            progress.Doing($"embedding {set.Name}", 0);
            using var generator = new EngineEmbeddingGenerator(engine);
            set = set with
            {
                Embeddings = await TextEmbeddings.ComputeAsync(
                    set.Texts, generator, model, Cache ? set.File : null, done => progress.Doing($"embedding {set.Name}", (double)done / count),
                    stop).ConfigureAwait(false),
            };
        }

        return !scores ? set : set with
        {
            Scores = await TextScores.ComputeAsync(
                engine, set.Texts, [.. Enumerable.Range(0, count).Select(i => Origin(set.Labels?[i]))],
                done => progress.Doing($"scoring {set.Name}", (double)done / count), stop).ConfigureAwait(false),
        };
    }

    /// <summary>The prompt and the expert of a text's label, or those of the task.</summary>
    private TextOrigin Origin(string? label)
    {
        var own = models.Task?.Labels.FirstOrDefault(l => l.Name == label);
        int expert = own is null ? 0 : models.ExpertOf(own);
        return new TextOrigin(own?.Prompt ?? models.Task?.Prompt, models.Task?.CompletionPrefix ?? "")
        {
            Chat = models.Task is { Chat: true },
            System = models.Task?.System,
            TemplateVariables = models.Task?.TemplateVariables,
            Expert = expert > 0 ? Variant.MoreExperts + (expert - 1) : models.Expert is null ? null : Variant.Expert,
        };
    }
}
