namespace Steer.Runtime.Evaluation;

/// <summary>
/// What metrics look at: a set in the place of the synthetic one, and real texts that it is held against. Subsets and halves make new pairs.
/// </summary>
internal sealed class EvaluationPair
{
    private readonly Lazy<PairDistances> _distances;
    private readonly Lazy<NGramCount[]> _joined;
    private readonly Lazy<NGramCount[]> _within;

    private EvaluationPair(Side synthetic, Side real, ulong seed, int wordBudget, Func<PairDistances> distances)
    {
        Synthetic = synthetic;
        Real = real;
        Seed = seed;
        WordBudget = Math.Min(wordBudget, Math.Min(synthetic.WordCount, real.WordCount));
        _distances = new Lazy<PairDistances>(distances);
        _joined = new Lazy<NGramCount[]>(() => UniqueNGrams.Count(UniqueNGrams.Cut(Synthetic.Words, WordBudget), NGramOrders, joined: true));
        _within = new Lazy<NGramCount[]>(() => UniqueNGrams.Count(UniqueNGrams.Cut(Synthetic.Words, WordBudget), NGramOrders, joined: false));
    }

    /// <summary>Orders of n-grams that are counted: 1 to this.</summary>
    public const int NGramOrders = 4;

    public Side Synthetic { get; }

    public Side Real { get; }

    /// <summary>Of choices that a metric makes for this pair.</summary>
    public ulong Seed { get; }

    /// <summary>Words that n-grams are counted over.</summary>
    public int WordBudget { get; }

    /// <summary>Texts of which metrics that cannot take all take this share of what they would.</summary>
    public double Share { get; private init; } = 1;

    public NGramCount[] JoinedNGrams => _joined.Value;

    public NGramCount[] NGramsWithin => _within.Value;

    /// <summary>Distances of the embeddings, which both sides must have.</summary>
    public PairDistances Distances => _distances.Value;

    public static EvaluationPair Of(Side synthetic, Side real, ulong seed, int wordBudget) => new(
        synthetic, real, seed, wordBudget, () => PairDistances.Of(synthetic.Embeddings!, real.Embeddings!));

    /// <summary>Some texts of both sides, a share of a half or less.</summary>
    public EvaluationPair Select(int[] synthetic, int[] real, ulong seed, int wordBudget = int.MaxValue, double share = 1) => new(
        Synthetic.Select(synthetic), Real.Select(real), seed, wordBudget,
        () => new PairDistances(
            Distances.Synthetic.Select(synthetic, synthetic), Distances.Real.Select(real, real), Distances.Across.Select(synthetic, real)))
    {
        Share = share,
    };

    /// <summary>Some real texts in the place of the synthetic ones, against others.</summary>
    public EvaluationPair RealAgainstReal(int[] half, int[] other, ulong seed, int wordBudget) => new(
        Real.Select(half), Real.Select(other), seed, wordBudget,
        () => new PairDistances(Distances.Real.Select(half, half), Distances.Real.Select(other, other), Distances.Real.Select(half, other)));

    /// <summary>A set as metrics see it.</summary>
    public sealed record Side(int[][] Words, EmbeddingMatrix? Embeddings, IReadOnlyList<ModelScores> Scores)
    {
        /// <summary>Words of all texts.</summary>
        public int WordCount { get; } = Words.Sum(w => w.Length);

        public Side Select(int[] places) => new(
            [.. places.Select(p => Words[p])], Embeddings?.Select(places), [.. Scores.Select(s => s.Select(places))]);
    }
}
