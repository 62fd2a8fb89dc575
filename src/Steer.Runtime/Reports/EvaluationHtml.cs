using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Reports;

/// <summary>The report of one data set: one page with everything inside.</summary>
public static class EvaluationHtml
{
    private const int Samples = 12;

    /// <summary>The page.</summary>
    /// <param name="report">What was found.</param>
    /// <param name="synthetic">The synthetic texts; figures of embeddings are drawn where both sets have them.</param>
    /// <param name="real">The real texts.</param>
    public static string ToHtml(EvaluationReport report, EvaluationSet synthetic, EvaluationSet real)
    {
        var page = new HtmlPage($"Evaluation: {report.Synthetic}");
        page.Paragraph(EvaluationSentences.Compared(report));
        foreach (string note in report.Notes)
            page.Note(note);
        page.Heading("Metrics");
        Metrics(page, report);
        if (report.Downstream is { } downstream)
            Downstream(page, downstream);

        page.Heading("The texts beside real ones");
        page.Figures(Figures(synthetic, real));
        page.Heading("Samples");
        page.Pairs(
            $"{Math.Min(Samples, synthetic.Texts.Count)} texts", "made", "nearest real", TextFigures.Nearest(synthetic, real, Samples), open: true);
        return page.ToString();
    }

    /// <summary>The figures, in the order of the page.</summary>
    public static IReadOnlyList<Figure> Figures(EvaluationSet synthetic, EvaluationSet real)
    {
        EvaluationSet[] sets = [real with { Name = "real" }, synthetic with { Name = "synthetic" }];
        List<Figure> figures =
            [TextFigures.Lengths(sets, "lengths"), TextFigures.Ranks(sets, order: 2, "ranks-2"), TextFigures.Ranks(sets, order: 4, "ranks-4")];
        if (TextFigures.Map(sets[0], sets[1], "map") is { } map)
            figures.Insert(0, map);
        return figures;
    }

    private static void Metrics(HtmlPage page, EvaluationReport report)
    {
        page.Table(
            ["metric", "value", "", "95% interval", "real half", "beside it", "better", ""],
            report.Values.Select(v => (IReadOnlyList<HtmlCell>)
            [
                new HtmlCell(v.Title, Kind: "name"), new HtmlCell(Numbers.Short(v.Value), IsNumber: true),
                new HtmlCell("", Bar: v.Value is >= 0 and <= 1 ? v.Value : null),
                new HtmlCell(Numbers.Interval(v.Low, v.High), IsNumber: true), new HtmlCell(Numbers.Short(v.Ceiling), IsNumber: true),
                new HtmlCell(Numbers.Short(v.AtCeiling), IsNumber: true),
                new HtmlCell(EvaluationSentences.Better(v.Direction)), new HtmlCell(v.Note ?? ""),
            ]));
        page.Note(EvaluationSentences.Ceiling);
    }

    private static void Downstream(HtmlPage page, DownstreamResult downstream)
    {
        page.Heading("A classifier trained on the synthetic texts");
        page.Note(EvaluationSentences.Downstream(downstream));
        if (downstream.Scores.Count == 0)
            return;
        static HtmlCell Cell(double? value) => new(Numbers.Short(value), IsNumber: true);
        page.Table(
            ["features", "accuracy, synthetic", "accuracy, real", "macro F1, synthetic", "macro F1, real"],
            downstream.Scores.Select(s => (IReadOnlyList<HtmlCell>)
            [
                new HtmlCell(s.Features), Cell(s.Synthetic?.Accuracy), Cell(s.Real?.Accuracy), Cell(s.Synthetic?.MacroF1), Cell(s.Real?.MacroF1),
            ]));
    }
}
