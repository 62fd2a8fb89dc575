using System.Globalization;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>The report of a sweep: one page with everything inside.</summary>
public sealed class SweepReport
{
    private const int Samples = 3;

    /// <summary>Metrics that the tables of a page show; files have all.</summary>
    internal static readonly string[] Shown =
        ["mauve", "diversity", "self_bleu_4", "vendi", "auroc", "coverage", "perplexity_expert", "copied_half", "length"];

    /// <summary>Metrics whose differences from the controls stand in a table.</summary>
    internal static readonly string[] Compared = ["mauve", "diversity", "vendi", "auroc", "copied_half", "perplexity_expert"];

    private static readonly (string Metric, string Title)[] Mapped =
        [("mauve", "MAUVE"), ("diversity", "Diversity"), ("perplexity_expert", "Expert perplexity"), ("entropy", "Entropy")];

    private readonly SweepResult _result;
    private readonly List<Figure> _curves;
    private readonly List<IReadOnlyList<Figure>> _maps;
    private readonly List<Figure> _texts;

    /// <summary>Draws the figures.</summary>
    public SweepReport(SweepResult result)
    {
        _result = result;
        _curves = [.. Curves(result)];
        _maps = [.. SweepFigures.HeatMaps(result, Mapped)];
        _texts = [.. Texts(result)];
    }

    /// <summary>The figures, in the order of the page.</summary>
    public IReadOnlyList<Figure> Figures => [.. _curves, .. _maps.SelectMany(maps => maps), .. _texts];

    /// <summary>The page.</summary>
    public string ToHtml()
    {
        var result = _result;
        var page = new HtmlPage($"Sweep: {result.Title}");
        int asked = result.Rows.Count(r => r.Asked);
        page.Paragraph(string.Create(
            CultureInfo.InvariantCulture,
            $"{Numbers.Count(asked, "cell")} of {Numbers.Count(result.PerCell, "text")} and {Numbers.Count(result.Rows.Count - asked, "control")}, " +
            $"measured against {Numbers.Count(result.Real.Texts.Count, "real text")}. " +
            $"n-grams are counted over the same {result.Words:n0} words of every cell."));
        page.Note(
            "A cell is named by its gamma (g), eta (e), alpha (a), number of negatives (k), temperature (t); " +
            "mask and plain are the expert alone. Intervals are of 95%.");

        page.Heading("What steering buys at equal entropy");
        Summary(page, result);
        page.Figures(_curves);
        if (_maps.Count > 0)
        {
            page.Heading("Over gamma and eta");
            foreach (var setting in _maps)
                page.Figures(setting, small: true);
        }

        if (_texts.Count > 0)
        {
            page.Heading("The texts beside real ones");
            page.Figures(_texts);
        }

        page.Heading("Cell by cell");
        foreach (var kind in Enum.GetValues<ControlKind>())
            Differences(page, result, kind);
        Cells(page, result);
        page.Heading("Samples");
        bool open = true;
        foreach (var row in result.Rows.Where(r => r.Asked))
        {
            page.Pairs(row.Cell.Name, "made", "nearest real", TextFigures.Nearest(row.Set, result.Real, Samples), open);
            open = false;
        }

        return page.ToString();
    }

    /// <summary>The cell asked for with the highest MAUVE, the first one asked for where none has a value; null where there is none.</summary>
    internal static SweepRow? Best(SweepResult result) =>
        result.Rows.Where(r => r.Asked && !r.Cell.IsPlain && r.Set.Texts.Count > 0).MaxBy(r => r["mauve"]?.Value ?? double.NegativeInfinity);

    private static IEnumerable<Figure> Curves(SweepResult result) => new[]
    {
        SweepFigures.TradeOff(result, "diversity", "mauve", "mauve-diversity"),
        SweepFigures.TradeOff(result, "diversity", "perplexity_expert", "perplexity-diversity"),
        SweepFigures.AtEntropy(result, "mauve", "mauve-entropy"),
        SweepFigures.AtEntropy(result, "diversity", "diversity-entropy"),
    }.OfType<Figure>();

    private static IEnumerable<Figure> Texts(SweepResult result)
    {
        if (Best(result) is not { } best)
            yield break;
        if (TextFigures.Map(result.Real, best.Set, "map") is { } map)
            yield return map;
        var plain = result.Rows.FirstOrDefault(r => r.Cell.IsPlain && r.Cell.Alpha == 0 && r.Cell.Temperature == 1 && r.Set.Texts.Count > 0);
        EvaluationSet[] sets = plain is null
            ? [result.Real with { Name = "real" }, best.Set]
            : [result.Real with { Name = "real" }, best.Set, plain.Set];
        yield return TextFigures.Lengths(sets, "lengths");
        yield return TextFigures.Ranks(sets, order: 2, "ranks-2");
        yield return TextFigures.Ranks(sets, order: 4, "ranks-4");
    }

    private static void Summary(HtmlPage page, SweepResult result)
    {
        if (SweepSummary.Of(result) is not { } summary)
            return;
        page.Paragraph(SweepSummary.Sentence);
        page.Table(summary[0], summary.Skip(1).Select(line => (IReadOnlyList<HtmlCell>)[.. line.Select(cell => new HtmlCell(cell))]));
    }

    private static void Differences(HtmlPage page, SweepResult result, ControlKind kind)
    {
        var contrasts = result.Contrasts.Where(c => c.Kind == kind).ToList();
        if (contrasts.Count == 0)
            return;
        string[] metrics = [.. Compared.Where(m => contrasts.Exists(c => c.Difference(m) is not null))];
        page.Table(
            $"{contrasts.Count} cells and controls minus {SweepSentences.Name(kind)}",
            ["cell", "control", "entropy", "control's entropy", .. metrics.Select(m => SweepSentences.Title(result, m))],
            contrasts.Select(c => (IReadOnlyList<HtmlCell>)
            [
                new HtmlCell(c.Cell.Cell.Name, Kind: "name"), new HtmlCell(c.Control.Cell.Name, Kind: "name"),
                new HtmlCell(Numbers.Short(c.Cell.Texts.Entropy), IsNumber: true),
                new HtmlCell($"{Numbers.Short(c.Control.Texts.Entropy)} ({100 * c.EntropyGap:+0.0;-0.0}%)", IsNumber: true),
                .. metrics.Select(m => new HtmlCell(
                    Numbers.WithInterval(c.Difference(m)), IsNumber: true, SweepSentences.Kind(c.Difference(m), c.Cell[m]?.Direction))),
            ]));
    }

    private static void Cells(HtmlPage page, SweepResult result)
    {
        string[] metrics = [.. Shown.Where(m => result.Rows.Any(r => r[m]?.Value is not null))];
        var ceilings = result.Rows.Select(r => r.Report).FirstOrDefault(r => r is not null);
        IReadOnlyList<HtmlCell> Row(SweepRow row) =>
        [
            new HtmlCell(row.Cell.Name, Kind: "name"), new HtmlCell(Numbers.Short(row.Texts.Entropy), IsNumber: true),
            new HtmlCell(row.Texts.Tokens.ToString("n0", CultureInfo.InvariantCulture), IsNumber: true),
            .. metrics.Select(m => new HtmlCell(Numbers.WithInterval(row[m]), IsNumber: true)),
        ];
        foreach (bool asked in new[] { true, false })
        {
            var rows = result.Rows.Where(r => r.Asked == asked).ToList();
            if (rows.Count > 0)
            {
                page.Table(
                    Numbers.Count(rows.Count, asked ? "cell" : "control"),
                    ["cell", "entropy", "tokens", .. metrics.Select(m => SweepSentences.Title(result, m))], rows.Select(Row));
            }
        }

        if (ceilings is not null)
        {
            var reached = metrics.Where(m => ceilings[m]?.Ceiling is not null)
                .Select(m => $"{SweepSentences.Title(result, m)} {Numbers.Short(ceilings[m]!.Ceiling)}");
            page.Note(string.Create(
                CultureInfo.InvariantCulture,
                $"One half of the real texts against the other ({ceilings.Half} each): {string.Join(", ", reached)}."));
        }

        if (SweepSentences.WithoutMetrics(result) is { } without)
            page.Note(without);
        int empty = result.Rows.Sum(r => r.Empty), unfinished = result.Rows.Sum(r => r.Unfinished), all = result.Rows.Sum(r => r.Texts.Texts.Count);
        page.Note(string.Create(
            CultureInfo.InvariantCulture,
            $"Of all {all:n0} texts, {empty:n0} are empty and stand in no metric, and {unfinished:n0} were cut off by the most tokens asked for."));
    }
}
