namespace Steer.Runtime.Evaluation;

/// <summary>Metrics that are computed together.</summary>
[Flags]
public enum MetricGroups
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Unique n-grams and their product, the diversity.</summary>
    NGrams = 1,

    /// <summary>Self-BLEU of orders 2 to 5.</summary>
    SelfBleu = 1 << 1,

    /// <summary>Copies of real and of earlier synthetic texts.</summary>
    Copied = 1 << 2,

    /// <summary>Lengths in words.</summary>
    Lengths = 1 << 3,

    /// <summary>Vendi score of n-grams and of embeddings.</summary>
    Vendi = 1 << 4,

    /// <summary>Perplexity under expert and base.</summary>
    Perplexity = 1 << 5,

    /// <summary>Cosine similarity of embeddings.</summary>
    Cosine = 1 << 6,

    /// <summary>MAUVE and the frontier integral.</summary>
    Mauve = 1 << 7,

    /// <summary>A classifier that tells synthetic from real.</summary>
    Adversarial = 1 << 8,

    /// <summary>Authenticity, alpha-precision and beta-recall.</summary>
    Authenticity = 1 << 9,

    /// <summary>Precision, recall, density and coverage.</summary>
    PrecisionRecall = 1 << 10,

    /// <summary>Frechet distance of embeddings.</summary>
    Frechet = 1 << 11,

    /// <summary>All of them.</summary>
    All = (1 << 12) - 1,
}

/// <summary>Which values of a metric are good.</summary>
public enum Direction
{
    /// <summary>Close to what real texts reach among themselves.</summary>
    Ceiling,

    /// <summary>High.</summary>
    Higher,

    /// <summary>Low.</summary>
    Lower,
}
