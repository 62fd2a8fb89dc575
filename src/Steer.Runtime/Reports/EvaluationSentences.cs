using System.Globalization;
using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Reports;

/// <summary>What is said of an evaluation in words, the same in all of its layouts.</summary>
public static class EvaluationSentences
{
    /// <summary>What "real half" and "beside it" mean.</summary>
    public const string Ceiling = "Real half: one half of the real texts, against the other where a metric takes two sets: " +
        "what a perfect generator would get. "
        + "Beside it: as many synthetic texts, against the same half.";

    /// <summary>What was compared with what.</summary>
    public static string Compared(EvaluationReport report) => string.Create(
        CultureInfo.InvariantCulture,
        $"{report.Synthetic} ({report.SyntheticTexts:n0} texts) against {report.Real} ({report.RealTexts:n0}): {report.Compared:n0} of each, "
        + $"halves of {report.Half:n0}, n-grams over {report.Words:n0} words.");

    /// <summary>What a classifier was trained on, or why there is none.</summary>
    public static string Downstream(DownstreamResult result)
    {
        string head = result.Scores.Count == 0 ? "No classifier was trained."
            : string.Create(
                CultureInfo.InvariantCulture,
                $"Accuracy and macro F1 of a classifier of {result.Classes.Count:n0} classes, trained on {result.TrainedOn:n0} texts and tested on "
                + $"{result.TestedOn:n0} real ones; always the most frequent class: {Score(result.Majority)}.");
        string missing = result.MissingClasses.Count > 0 ? $" No synthetic text has {string.Join(", ", result.MissingClasses)}." : "";
        return head + missing + (result.Note is { } note ? " " + note : "");
    }

    /// <summary>Accuracy and macro F1; a dash for none.</summary>
    public static string Score(ClassifierScore? score) => score is { } s ? $"{Numbers.Short(s.Accuracy)}, {Numbers.Short(s.MacroF1)}" : "-";

    /// <summary>Which values are good.</summary>
    public static string Better(Direction direction) => direction switch
    {
        Direction.Higher => "high",
        Direction.Lower => "low",
        _ => "as real",
    };
}
