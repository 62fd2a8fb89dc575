namespace Steer.Runtime.Evaluation;

/// <summary>How well a classifier does on real texts.</summary>
/// <param name="Accuracy">Share of the test texts whose class it tells.</param>
/// <param name="MacroF1">Mean of the F1 score over the classes of the test texts; a class that is never told right has 0.</param>
public readonly record struct ClassifierScore(double Accuracy, double MacroF1);

/// <summary>
/// A classifier trained on synthetic texts beside one trained on as many real ones, both tested on the same real texts that neither saw.
/// </summary>
public sealed record DownstreamResult
{
    /// <summary>Texts that each classifier was trained on.</summary>
    public required int TrainedOn { get; init; }

    /// <summary>Real texts that both were tested on.</summary>
    public required int TestedOn { get; init; }

    /// <summary>Classes of the real texts.</summary>
    public required IReadOnlyList<string> Classes { get; init; }

    /// <summary>Classes of real texts that no synthetic text has.</summary>
    public required IReadOnlyList<string> MissingClasses { get; init; }

    /// <summary>One for each kind of features: embeddings, ngrams.</summary>
    public required IReadOnlyList<DownstreamScore> Scores { get; init; }

    /// <summary>Accuracy and macro F1 of always telling the most frequent class of the real training texts.</summary>
    public required ClassifierScore Majority { get; init; }

    /// <summary>Why there is no score, or what to know about it.</summary>
    public string? Note { get; init; }
}

/// <summary>Scores on one kind of features.</summary>
/// <param name="Features">embeddings or ngrams.</param>
/// <param name="Synthetic">Trained on synthetic texts; null where they have fewer than two classes.</param>
/// <param name="Real">Trained on real texts.</param>
public sealed record DownstreamScore(string Features, ClassifierScore? Synthetic, ClassifierScore? Real);
