using System.Text.Json;
using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Tests.Evaluation;

/// <summary>What a classifier learns from labelled texts, and the report as JSON.</summary>
public sealed class DownstreamTests
{
    private static readonly string[] Nouns = ["star", "planet", "river", "stone", "tree", "cloud", "bird", "house"];

    [Fact]
    public void Texts_that_carry_their_class_teach_it()
    {
        var result = DownstreamCheck.Run(Set("synthetic", 1, i => i % 3), Set("real", 2, i => i % 3), seed: 0)!;
        Assert.Equal(["0", "1", "2"], result.Classes);
        Assert.Empty(result.MissingClasses);
        Assert.Equal(["embeddings", "ngrams"], result.Scores.Select(s => s.Features));
        Assert.All(result.Scores, s => Assert.True(s is { Synthetic: { Accuracy: > 0.9, MacroF1: > 0.9 }, Real: { Accuracy: > 0.9, MacroF1: > 0.9 } }, s.ToString()));
        Assert.InRange(result.Majority.Accuracy, 0.3, 0.4);
        Assert.Equal(result.Scores, DownstreamCheck.Run(Set("synthetic", 1, i => i % 3), Set("real", 2, i => i % 3), seed: 0)!.Scores);
    }

    [Fact]
    public void Labels_that_say_nothing_of_the_text_teach_nothing()
    {
        // Classes of synthetic texts are wrong by one: what is learned from them is never right.
        var wrong = Set("synthetic", 1, i => i % 3);
        var result = DownstreamCheck.Run(wrong with { Labels = [.. wrong.Labels!.Select(l => l == "2" ? "0" : l == "1" ? "2" : "1")] }, Set("real", 2, i => i % 3), seed: 0)!;
        Assert.All(result.Scores, s => Assert.True(s is { Synthetic.Accuracy: < 0.1, Real.Accuracy: > 0.9 }, s.ToString()));
    }

    [Fact]
    public void Missing_and_unknown_classes_are_stated()
    {
        var result = DownstreamCheck.Run(Set("synthetic", 1, i => i % 2 == 0 ? 0 : i % 4 == 1 ? 1 : 7), Set("real", 2, i => i % 3), seed: 0)!;
        Assert.Equal(["2"], result.MissingClasses);
        Assert.Contains("no real text has their classes: 30 of", result.Note, StringComparison.Ordinal);
        Assert.All(result.Scores, s => Assert.True(s is { Synthetic: { Accuracy: > 0.5 and < 0.75, MacroF1: < 0.7 } }, s.ToString()));

        var one = DownstreamCheck.Run(Set("synthetic", 1, _ => 1), Set("real", 2, i => i % 3), seed: 0)!;
        Assert.All(one.Scores, s => Assert.True(s is { Synthetic: null, Real.Accuracy: > 0.9 }));
        Assert.Contains("one class alone", one.Note, StringComparison.Ordinal);
        Assert.True(DownstreamCheck.Run(Set("synthetic", 1, i => i % 3), Set("real", 2, _ => 1), seed: 0) is { Scores: [], Note: not null });
        Assert.True(DownstreamCheck.Run(Set("synthetic", 1, _ => 9), Set("real", 2, i => i % 3), seed: 0) is { Scores: [], Note: not null, MissingClasses.Count: 3 });
        Assert.True(DownstreamCheck.Run(Set("synthetic", 1, i => i % 3), Set("real", 2, _ => 1) with { Labels = new string?[120] }, seed: 0) is { Scores: [], Note: "No real text has a label." });
        Assert.Null(DownstreamCheck.Run(Set("synthetic", 1, i => i % 3) with { Labels = null }, Set("real", 2, i => i % 3), seed: 0));
    }

    [Fact]
    public void Texts_without_a_label_are_left_out()
    {
        EvaluationSet synthetic = Set("synthetic", 1, i => i % 3), real = Set("real", 2, i => i % 3);
        var result = DownstreamCheck.Run(synthetic with { Labels = [.. synthetic.Labels!.Select((l, i) => i < 30 ? null : l)] }, real with { Labels = [null, .. real.Labels!.Skip(1)] }, seed: 0)!;
        Assert.Contains("no label: 31 of", result.Note, StringComparison.Ordinal);
        Assert.All(result.Scores, s => Assert.True(s is { Synthetic.Accuracy: > 0.9, Real.Accuracy: > 0.9 }, s.ToString()));
    }

    [Fact]
    public void A_class_with_a_single_real_text_is_no_error()
    {
        var result = DownstreamCheck.Run(Set("synthetic", 1, i => i % 3), Set("real", 2, i => i == 5 ? 3 : i % 3), seed: 0)!;
        Assert.Equal(["3"], result.MissingClasses);
        Assert.All(result.Scores, s => Assert.True(s is { Synthetic: { MacroF1: > 0.6 }, Real: { MacroF1: > 0.6 } }, s.ToString()));
    }

    [Fact]
    public void The_report_reads_back_as_JSON_with_the_same_numbers()
    {
        using var evaluator = new Evaluator(new EvaluationOptions { Bootstrap = 100, HalfSamples = 4, Metrics = MetricGroups.Lengths | MetricGroups.Mauve | MetricGroups.Perplexity });
        var report = evaluator.Evaluate(Set("synthetic \"1\"", 1, i => i % 3), Set("real", 2, i => i % 3));
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
            EvaluationJson.Write(writer, report);
        var json = JsonDocument.Parse(stream.ToArray()).RootElement;
        Assert.Equal(
            ["schema", "synthetic", "real", "compared", "half", "words", "embedding_dimensions", "seed", "metrics", "downstream", "notes"],
            json.EnumerateObject().Select(p => p.Name));
        Assert.Equal("steer-evaluation/1", json.GetProperty("schema").GetString());
        Assert.Equal("synthetic \"1\"", json.GetProperty("synthetic").GetProperty("name").GetString());
        var metrics = json.GetProperty("metrics").EnumerateArray().ToList();
        Assert.Equal(report.Values.Select(v => v.Name), metrics.Select(m => m.GetProperty("name").GetString()));
        Assert.Equal(report["mauve"]!.High, metrics.Single(m => m.GetProperty("name").GetString() == "mauve").GetProperty("high").GetDouble());
        Assert.Equal(2, json.GetProperty("downstream").GetProperty("scores").GetArrayLength());
    }

    /// <summary>Sentences with a word of their class among others, and embeddings in which one direction belongs to each class.</summary>
    private static EvaluationSet Set(string name, int seed, Func<int, int> classOf)
    {
        const int count = 120, dimensions = 12;
        var random = new Random(seed);
        string[] labels = [.. Enumerable.Range(0, count).Select(i => $"{classOf(i)}")];
        return new EvaluationSet
        {
            Name = name,
            Texts = [.. labels.Select(l => $"the {Nouns[random.Next(8)]} and the {Nouns[random.Next(8)]} of kind{l} {(random.Next(2) == 0 ? "was" : "is")} {Nouns[random.Next(8)]}")],
            Labels = labels,
            Embeddings = new EmbeddingMatrix(
                [.. Enumerable.Range(0, count * dimensions).Select(i => random.NextDouble() + (i % dimensions == int.Parse(labels[i / dimensions]) ? 3.0 : 0))], dimensions),
        };
    }
}
