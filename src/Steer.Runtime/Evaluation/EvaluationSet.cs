using System.Numerics.Tensors;

namespace Steer.Runtime.Evaluation;

/// <summary>A set of texts with what is known of each; lists beside the texts are null where they are not known.</summary>
public sealed record EvaluationSet
{
    /// <summary>Fewer texts than this tell nothing: intervals would be wider than any difference.</summary>
    public const int FewestTexts = 50;

    /// <summary>Covariances of larger numbers, and products of these, come near the end of what float64 holds.</summary>
    private const double LargestEmbedding = 1e30;

    /// <summary>Where it comes from, as errors name it.</summary>
    public required string Name { get; init; }

    /// <summary>The file that the texts were read from; null where there is none.</summary>
    public string? File { get; init; }

    /// <summary>Texts of the set that these were drawn from; null where these are all.</summary>
    public int? DrawnFrom { get; init; }

    /// <summary>The texts, in the order in which they were made.</summary>
    public required IReadOnlyList<string> Texts { get; init; }

    /// <summary>An embedding for each text.</summary>
    public EmbeddingMatrix? Embeddings { get; init; }

    /// <summary>What each text scores under expert and base; the models' names in the order of the scores.</summary>
    public IReadOnlyList<ModelScores> Scores { get; init; } = [];

    /// <summary>The class of each text; null for one that has none.</summary>
    public IReadOnlyList<string?>? Labels { get; init; }

    private string Counted => Texts.Count == 1 ? "1 text" : $"{Texts.Count} texts";

    /// <summary>The set, or so many of its texts, drawn at random and in their order.</summary>
    public EvaluationSet AtMost(int count, ulong seed) => Texts.Count <= count
        ? this
        : Select(RandomSubset.Draw(Texts.Count, count, seed, stream: 0)) with { DrawnFrom = DrawnFrom ?? Texts.Count };

    /// <summary>The texts at these places, with all that is known of them.</summary>
    public EvaluationSet Select(IReadOnlyList<int> places) => this with
    {
        Texts = [.. places.Select(p => Texts[p])],
        Embeddings = Embeddings?.Select(places),
        Scores = [.. Scores.Select(s => s.Select(places))],
        Labels = Labels is { } labels ? [.. places.Select(p => labels[p])] : null,
    };

    /// <summary>Throws where the set cannot be evaluated.</summary>
    /// <exception cref="SteerException">Too few texts, an empty one, or a list beside them of another length.</exception>
    public void Check()
    {
        if (Texts.Count < FewestTexts)
            throw new SteerException($"{Name}: has {Counted}; metrics need at least {FewestTexts} to say anything.");
        for (int i = 0; i < Texts.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(Texts[i]))
                throw new SteerException($"{Name}: text {i + 1} is empty. Take empty texts out first.");
        }

        if (Embeddings is { } embeddings && embeddings.Rows != Texts.Count)
            throw new SteerException($"{Name}: has {Counted} and {embeddings.Rows} embeddings. Give one embedding for each text, in the same order.");
        if (Embeddings is not null && TensorPrimitives.MaxMagnitude(Embeddings.Values) is var largest && Math.Abs(largest) > LargestEmbedding)
        {
            throw new SteerException(FormattableString.Invariant(
                $"{Name}: its embeddings hold {largest:0.0e+0}; squares of such numbers overflow. Scale them down."));
        }

        if (Labels is { } labels && labels.Count != Texts.Count)
            throw new SteerException($"{Name}: has {Counted} and {labels.Count} labels. Give each text a label.");
        foreach (var scores in Scores)
        {
            if (scores.LogProbs.Count != Texts.Count || scores.Tokens.Count != Texts.Count)
            {
                throw new SteerException(
                    $"{Name}: has {Counted} and {scores.LogProbs.Count} scores under the {scores.Model}. Give one for each text.");
            }
        }
    }
}

/// <summary>Log-probabilities of texts under a model.</summary>
/// <param name="Model">expert or base.</param>
/// <param name="LogProbs">Of all tokens of each text, in nats.</param>
/// <param name="Tokens">Tokens of each text.</param>
public sealed record ModelScores(string Model, IReadOnlyList<double> LogProbs, IReadOnlyList<int> Tokens)
{
    /// <summary>exp(-sum of log-probabilities / sum of tokens); null where there is no token.</summary>
    public double? Perplexity => Tokens.Sum(t => (long)t) is > 0 and var tokens ? Math.Exp(-LogProbs.Sum() / tokens) : null;

    /// <summary>The scores at these places.</summary>
    public ModelScores Select(IReadOnlyList<int> places) => this with
    {
        LogProbs = [.. places.Select(p => LogProbs[p])],
        Tokens = [.. places.Select(p => Tokens[p])],
    };
}
