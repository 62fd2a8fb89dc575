using System.Text.Json;

namespace Steer.Runtime.Evaluation;

/// <summary>
/// A report as JSON, schema steer-evaluation/1. Fields are only ever added; numbers that are not known are null, never NaN.
/// <code>
/// { "schema": "steer-evaluation/1",
///   "synthetic": { "name", "texts", "length": { "mean", "sd", "p5", "p25", "p50", "p75", "p95" } },
///   "real": { the same },
///   "compared", "half", "words", "embedding_dimensions", "seed",
///   "metrics": [ { "name", "group", "title", "better": "ceiling" | "higher" | "lower",
///                  "value", "low", "high", "ceiling", "at_ceiling", "note" } ],
///   "downstream": { "trained_on", "tested_on", "classes": [], "missing_classes": [], "majority": { "accuracy", "macro_f1" },
///                   "scores": [ { "features", "synthetic": { "accuracy", "macro_f1" }, "real": { the same } } ], "note" },
///   "notes": [] }
/// </code>
/// See <see cref="EvaluationReport"/> and <see cref="MetricValue"/> for what they mean. "downstream" is null where texts have no labels.
/// </summary>
public static class EvaluationJson
{
    /// <summary>Names this form; another number would mean that a field changed its meaning.</summary>
    public const string Schema = "steer-evaluation/1";

    private static readonly string[] QuantileNames = ["p5", "p25", "p50", "p75", "p95"];

    /// <summary>Writes the report as one object.</summary>
    public static void Write(Utf8JsonWriter json, EvaluationReport report)
    {
        json.WriteStartObject();
        json.WriteString("schema", Schema);
        WriteSet(json, "synthetic", report.Synthetic, report.SyntheticTexts, report.SyntheticLengths);
        WriteSet(json, "real", report.Real, report.RealTexts, report.RealLengths);
        json.WriteNumber("compared", report.Compared);
        json.WriteNumber("half", report.Half);
        json.WriteNumber("words", report.Words);
        json.WriteNumber("embedding_dimensions", report.EmbeddingDimensions);
        json.WriteNumber("seed", report.Seed);
        json.WriteStartArray("metrics");
        foreach (var value in report.Values)
            WriteMetric(json, value);
        json.WriteEndArray();
        if (report.Downstream is { } downstream)
            WriteDownstream(json, downstream);
        else
            json.WriteNull("downstream");
        WriteStrings(json, "notes", report.Notes);
        json.WriteEndObject();
    }

    /// <summary>snake_case name of a group of metrics.</summary>
    public static string Name(MetricGroups group) => JsonNamingPolicy.SnakeCaseLower.ConvertName(group.ToString());

    /// <summary>Name of a direction: ceiling, higher or lower.</summary>
    public static string Name(Direction direction) => direction.ToString().ToLowerInvariant();

    private static void WriteSet(Utf8JsonWriter json, string name, string path, int texts, LengthDistribution lengths)
    {
        json.WriteStartObject(name);
        json.WriteString("name", path);
        json.WriteNumber("texts", texts);
        json.WriteStartObject("length");
        json.WriteNumber("mean", lengths.Mean);
        json.WriteNumber("sd", lengths.StandardDeviation);
        for (int i = 0; i < QuantileNames.Length; i++)
            json.WriteNumber(QuantileNames[i], lengths.Quantiles[i]);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteMetric(Utf8JsonWriter json, MetricValue value)
    {
        json.WriteStartObject();
        json.WriteString("name", value.Name);
        json.WriteString("group", Name(value.Group));
        json.WriteString("title", value.Title);
        json.WriteString("better", Name(value.Direction));
        WriteNumber(json, "value", value.Value);
        WriteNumber(json, "low", value.Low);
        WriteNumber(json, "high", value.High);
        WriteNumber(json, "ceiling", value.Ceiling);
        WriteNumber(json, "at_ceiling", value.AtCeiling);
        json.WriteString("note", value.Note);
        json.WriteEndObject();
    }

    private static void WriteDownstream(Utf8JsonWriter json, DownstreamResult result)
    {
        json.WriteStartObject("downstream");
        json.WriteNumber("trained_on", result.TrainedOn);
        json.WriteNumber("tested_on", result.TestedOn);
        WriteStrings(json, "classes", result.Classes);
        WriteStrings(json, "missing_classes", result.MissingClasses);
        WriteScore(json, "majority", result.Scores.Count > 0 ? result.Majority : null);
        json.WriteStartArray("scores");
        foreach (var score in result.Scores)
        {
            json.WriteStartObject();
            json.WriteString("features", score.Features);
            WriteScore(json, "synthetic", score.Synthetic);
            WriteScore(json, "real", score.Real);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("note", result.Note);
        json.WriteEndObject();
    }

    private static void WriteScore(Utf8JsonWriter json, string name, ClassifierScore? score)
    {
        if (score is not { } s)
        {
            json.WriteNull(name);
            return;
        }

        json.WriteStartObject(name);
        json.WriteNumber("accuracy", s.Accuracy);
        json.WriteNumber("macro_f1", s.MacroF1);
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
            json.WriteNumber(name, number);
        else
            json.WriteNull(name);
    }

    private static void WriteStrings(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        json.WriteStartArray(name);
        foreach (string value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
