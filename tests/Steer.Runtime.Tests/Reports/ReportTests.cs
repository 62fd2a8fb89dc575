using System.Text.Json;
using System.Xml.Linq;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Guidance;
using Steer.Runtime.Reports;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Tests.Reports;

/// <summary>The pages: well-formed, complete in themselves, never NaN, and markup in texts stays text.</summary>
public sealed class ReportTests
{
    private const string Hostile = "</td></div><script>alert(1)</script><img src=x onerror=alert(2)> & \"quotes\" 'too' \0 \u0007 \u202e \ud800 ]]> ${x} <!-- ";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_evaluation_with_hostile_texts_is_a_page_of_its_own(bool embedded)
    {
        EvaluationSet real = Set("real <b>", i => $"The star number {i} is {Hostile}{i % 7}", embedded), synthetic = Set("runs/<script>", i => $"{Hostile} A galaxy {i % 11} that {i % 5}", embedded);
        using var evaluator = new Evaluator(new EvaluationOptions { HalfSamples = 2, Bootstrap = 10, Metrics = MetricGroups.NGrams | MetricGroups.Lengths | MetricGroups.Cosine });
        AssertPage(EvaluationHtml.ToHtml(evaluator.Evaluate(synthetic, real), synthetic, real), figures: embedded ? 4 : 3);
    }

    [Fact]
    public void One_repeated_text_gives_a_page_without_NaN()
    {
        EvaluationSet real = Set("real", i => $"star {i}", embedded: true), synthetic = Set("same", _ => "word", embedded: false) with { Embeddings = new EmbeddingMatrix(new double[50 * 4], 4) };
        using var evaluator = new Evaluator(new EvaluationOptions { HalfSamples = 2, Bootstrap = 10 });
        AssertPage(EvaluationHtml.ToHtml(evaluator.Evaluate(synthetic, real), synthetic, real), figures: 4);
    }

    [Fact]
    public void A_sweep_is_a_page_with_its_curves_maps_and_samples()
    {
        var result = Result();
        var report = new SweepReport(result);
        string html = report.ToHtml();
        AssertPage(html, figures: report.Figures.Count);
        foreach (string name in new[] { "mauve-diversity", "perplexity-diversity", "mauve-entropy", "heat-mauve-1", "heat-entropy-1", "heat-gain-1", "map", "lengths", "ranks-2", "ranks-4" })
            Assert.Contains(report.Figures, f => f.Name == name);
        Assert.Contains("From 0.50 at gamma 0, eta 0 to 0.53 at gamma 0.2, eta 0.4.", html, StringComparison.Ordinal);
        Assert.Contains("Against temperature alone at the same entropy, mauve is clearly different in none of 3 steered cells without the mask.", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Cells_without_metrics_give_a_page_too()
    {
        var result = Result();
        result = result with { Rows = [.. result.Rows.Select(r => r with { Report = null, Set = r.Set with { Texts = [], Embeddings = null } })], Contrasts = [] };
        var report = new SweepReport(result);
        AssertPage(report.ToHtml(), figures: report.Figures.Count);
        Assert.DoesNotContain("NaN", SweepTables.ToCsv(result) + SweepTables.ToJson(result) + SweepTables.ToMarkdown(result), StringComparison.Ordinal);
    }

    [Fact]
    public void Tables_hold_every_cell_and_metric()
    {
        var result = Result();
        string[][] csv = [.. SweepTables.ToCsv(result).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(','))];
        Assert.All(csv, line => Assert.Equal(csv[0].Length, line.Length));
        Assert.Equal(csv[0].Distinct(), csv[0]);
        Assert.Equal(result.Rows.Select(r => r.Cell.Name), csv.Skip(1).Select(l => l[0]));
        int mauve = Array.IndexOf(csv[0], "mauve"), control = Array.IndexOf(csv[0], "control_temperature");
        Assert.Equal(("0.53", "0.43", "0.63", "plain"), (csv[4][mauve], csv[4][mauve + 1], csv[4][mauve + 2], csv[4][control]));
        Assert.Contains("| g0.2 e0.4 a0 k10 | plain |", SweepTables.ToMarkdown(result), StringComparison.Ordinal);
        Assert.Contains("| mauve | 0 above, 0 below of 3; +0.020 |", SweepTables.ToMarkdown(result), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0.1f)]
    [InlineData(1e30f)]
    [InlineData(float.MaxValue)]
    public void Tables_hold_any_strength_that_a_cell_may_have(float strength)
    {
        var result = Result();
        var texts = new SweepCellTexts(new SweepCell { Gamma = strength, Eta = strength, Alpha = 0.1f });
        result = result with { Rows = [result.Rows[0] with { Texts = texts }], Contrasts = [] };
        var cell = JsonDocument.Parse(SweepTables.ToJson(result)).RootElement.GetProperty("cells")[0];
        Assert.Equal((strength, strength, 0.1), (cell.GetProperty("gamma").GetSingle(), cell.GetProperty("eta").GetSingle(), cell.GetProperty("alpha").GetDouble()));
    }

    [Fact]
    public void A_figure_is_a_file_of_its_own_that_follows_the_theme()
    {
        foreach (var figure in new SweepReport(Result()).Figures)
        {
            var svg = XDocument.Parse(figure.ToFile());
            Assert.Equal("http://www.w3.org/2000/svg", svg.Root!.Name.NamespaceName);
            Assert.Contains("prefers-color-scheme:dark", figure.ToFile(), StringComparison.Ordinal);
            Assert.DoesNotContain("rgb(254", figure.ToFile(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_difference_has_the_interval_of_two_independent_estimates()
    {
        // 0.5 [0.4, 0.8] minus 0.3 [0.1, 0.4]: 0.2 - sqrt(0.1^2 + 0.1^2), 0.2 + sqrt(0.3^2 + 0.2^2).
        var difference = MetricDifference.Between(Metric(0.5, 0.4, 0.8), Metric(0.3, 0.1, 0.4))!.Value;
        Assert.Equal(0.2, difference.Value, 12);
        Assert.Equal(0.2 - Math.Sqrt(0.02), difference.Low!.Value, 12);
        Assert.Equal(0.2 + Math.Sqrt(0.13), difference.High!.Value, 12);
        Assert.True(difference.IsClear);
        Assert.False(MetricDifference.Between(Metric(0.5, null, null), Metric(0.3, 0.1, 0.4))!.Value.IsClear);
        Assert.Null(MetricDifference.Between(Metric(null, null, null), Metric(0.3, 0.1, 0.4)));
    }

    [Theory]
    [InlineData(0.004, "0.00")]
    [InlineData(-0.25, "-0.25")]
    [InlineData(12.34, "12.3")]
    [InlineData(345.6, "346")]
    [InlineData(1234, "1.2k")]
    [InlineData(14934.4, "15k")]
    [InlineData(2.5e7, "3e7")]
    public void A_number_in_a_map_is_short(double value, string text) => Assert.Equal(text, Numbers.Compact(value));

    private static void AssertPage(string html, int figures)
    {
        var page = XDocument.Parse(html);
        Assert.Equal(figures, page.Descendants("figure").Count());
        Assert.All(page.Descendants("figure"), f => Assert.NotEqual("", f.Element("figcaption")!.Value));
        Assert.DoesNotContain(page.Descendants(), e => e.Name.LocalName is "script" or "img" or "link" or "iframe" or "object" or "foreignObject");
        Assert.DoesNotContain(page.Descendants().Attributes(), a => a.Name.LocalName.StartsWith("on", StringComparison.Ordinal) || a.Name.LocalName is "href" or "src");
        Assert.DoesNotContain("NaN", html, StringComparison.Ordinal);
        Assert.DoesNotContain("://", html, StringComparison.Ordinal);
        Assert.All(html, c => Assert.False(char.IsControl(c) && c != '\n', $"control character {(int)c}"));
    }

    private static EvaluationSet Set(string name, Func<int, string> text, bool embedded)
    {
        var random = new Random(4);
        return new EvaluationSet
        {
            Name = name,
            Texts = [.. Enumerable.Range(0, 50).Select(text)],
            Embeddings = embedded ? new EmbeddingMatrix([.. Enumerable.Range(0, 200).Select(_ => random.NextDouble())], 4) : null,
        };
    }

    private static MetricValue Metric(double? value, double? low, double? high, string name = "mauve") =>
        new() { Name = name, Group = MetricGroups.Mauve, Title = name, Direction = Direction.Higher, Value = value, Low = low, High = high };

    /// <summary>Plain sampling and three steered cells, with metrics that rise by a hundredth from cell to cell.</summary>
    private static SweepResult Result()
    {
        var cells = new SweepGrid { Gamma = [0, 0.2f], Eta = [0, 0.4f], Alpha = [0] }.Cells();
        var real = Set("real", i => $"star {i}", embedded: true);
        var rows = cells.Select((cell, place) =>
        {
            var texts = new SweepCellTexts(cell);
            for (int i = 0; i < 50; i++)
                texts.Add(new SweepText(cell.Name, i, 1, $"{Hostile} {i}", 10, true, 3 + (0.1 * place), 20));
            double value = Math.Round(0.5 + (0.01 * place), 2);
            MetricValue[] values = [.. new[] { "mauve", "diversity", "perplexity_expert" }.Select(m => Metric(value, Math.Round(value - 0.1, 2), Math.Round(value + 0.1, 2), m))];
            var lengths = LengthDistribution.Of([[1, 2], [3]]);
            var report = new EvaluationReport
            {
                Synthetic = cell.Name, Real = "real", SyntheticTexts = 50, RealTexts = 50, Compared = 50, Half = 25, Words = 100, EmbeddingDimensions = 4, Seed = 0,
                Values = values, SyntheticLengths = lengths, RealLengths = lengths, Downstream = null,
            };
            return new SweepRow(texts, Asked: true, Set(cell.Name, i => $"{Hostile} {i}", embedded: true), report);
        }).ToList();
        Assert.Equal(GuidancePreset.Plain, rows[0].Cell.Preset);
        return new SweepResult
        {
            Title = "a <script> title",
            PerCell = 50,
            Real = real,
            Rows = rows,
            Contrasts = [.. rows.Skip(1).Select(r => new SweepContrast(r, ControlKind.Temperature, rows[0]))],
        };
    }
}
