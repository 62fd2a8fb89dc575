using System.Globalization;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Guidance;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>Figures over the cells of a sweep, each with a sentence computed from what it draws.</summary>
internal static class SweepFigures
{
    private const int CellsWithoutMask = 0, Temperatures = 1, CellsWithMask = 2, MaskedTemperatures = 3;

    /// <summary>A quality against diversity: the cells as points, the expert alone over temperatures as a line. Null where no cell has both.</summary>
    public static Figure? TradeOff(SweepResult result, string x, string y, string name)
    {
        MetricValue? Metric(SweepRow row, string metric) => row[metric] is { Value: not null } value ? value : null;
        ChartPoint? Point(SweepRow row) => Metric(row, x) is { } horizontal && Metric(row, y) is { } vertical
            ? new ChartPoint(horizontal.Value!.Value, vertical.Value!.Value, Short(row.Cell), Ends(horizontal), Ends(vertical))
            : null;
        List<ChartPoint> Points(Func<SweepRow, bool> which, bool bare) =>
        [
            .. result.Rows.Where(which).OrderBy(r => r.Cell.Temperature).Select(Point).OfType<ChartPoint>().Select(p => bare ? p with { Label = null, XInterval = null, YInterval = null } : p),
        ];
        var series = Series(Points);
        if (series.All(s => s.Points.Count == 0))
            return null;
        string horizontal = SweepSentences.Title(result, x), vertical = SweepSentences.Title(result, y);
        string labels = "Labels are gamma/eta; bars are 95% intervals.";
        string sentence = $"{SweepSentences.Verdict(result, y, ControlKind.Temperature)} {labels}";
        return Figure.Draw(name, $"{Capital(vertical)} against {horizontal}", sentence, Charts.Plot(horizontal, vertical, series, logX: Spans(series, p => p.X), logY: Spans(series, p => p.Y)), height: 400);
    }

    /// <summary>A metric against the entropy: a cell above the line of its colour does better than a temperature of the same entropy.</summary>
    public static Figure? AtEntropy(SweepResult result, string metric, string name)
    {
        List<ChartPoint> Points(Func<SweepRow, bool> which, bool bare) =>
        [
            .. from row in result.Rows
               where which(row) && row[metric]?.Value is not null
               orderby row.Texts.Entropy
               let value = row[metric]!
               select new ChartPoint(row.Texts.Entropy, value.Value!.Value, bare ? null : Short(row.Cell), null, bare ? null : Ends(value)),
        ];
        var series = Series(Points);
        if (series.All(s => s.Points.Count == 0))
            return null;
        string title = SweepSentences.Title(result, metric);
        string masked = SweepSentences.Verdict(result, metric, ControlKind.MaskedTemperature);
        return Figure.Draw(
            name, $"{Capital(title)} at equal entropy", $"{SweepSentences.Verdict(result, metric, ControlKind.Temperature)} {masked}".TrimEnd(),
            Charts.Plot("mean entropy of a token, nats", title, series, logY: Spans(series, p => p.Y)), height: 400);
    }

    /// <summary>A figure over gamma and eta for every mask, temperature and number of negatives that has at least two of each.</summary>
    public static IEnumerable<Figure> HeatMaps(SweepResult result, IReadOnlyList<(string Metric, string Title, string Format)> metrics)
    {
        var steered = result.Rows.Where(r => r.Asked && !r.Cell.SumToOne && r.Cell.Preset is GuidancePreset.Steer or GuidancePreset.Plain).ToList();
        var kinds = steered.Where(r => r.Cell.Eta > 0).Select(r => (Alpha: r.Cell.Alpha!.Value, r.Cell.Temperature, r.Cell.Negatives)).Distinct().Order();
        int number = 0;
        foreach (var (alpha, temperature, negatives) in kinds)
        {
            number++;
            var cells = steered.Where(r => r.Cell.Alpha == alpha && r.Cell.Temperature == temperature && (r.Cell.Eta == 0 || r.Cell.Negatives == negatives))
                .ToDictionary(r => (Gamma: r.Cell.Gamma ?? 0, r.Cell.Eta));
            float[] gammas = [.. cells.Keys.Select(k => k.Gamma).Distinct().Order()], etas = [.. cells.Keys.Select(k => k.Eta).Distinct().Order()];
            if (gammas.Length < 2 || etas.Length < 2)
                continue;
            string setting = string.Create(
                CultureInfo.InvariantCulture, $"{(alpha > 0 ? $"mask {alpha}" : "no mask")}{(temperature != 1 ? $", temperature {temperature}" : "")}, {negatives} negatives");
            foreach (var (metric, title, format) in metrics)
            {
                double? Value(float gamma, float eta) => cells.GetValueOrDefault((gamma, eta)) is { } row ? Of(row, metric) : null;
                var known = cells.Where(c => Of(c.Value, metric) is not null).Select(c => (c.Key, Value: Of(c.Value, metric)!.Value)).ToList();
                if (known.Count == 0)
                    continue;
                var (least, most) = (known.MinBy(k => k.Value), known.MaxBy(k => k.Value));
                string sentence = string.Create(
                    CultureInfo.InvariantCulture,
                    $"From {least.Value.ToString(format, CultureInfo.InvariantCulture)} at gamma {least.Key.Gamma}, eta {least.Key.Eta} to {most.Value.ToString(format, CultureInfo.InvariantCulture)} at gamma {most.Key.Gamma}, eta {most.Key.Eta}.");
                yield return Figure.Draw(
                    string.Create(CultureInfo.InvariantCulture, $"heat-{metric}-{number}"), $"{title}, {setting}", sentence,
                    Charts.HeatMap("gamma", "eta", gammas, etas, Value, format), width: 340, height: 260);
            }
        }
    }

    private static ChartSeries[] Series(Func<Func<SweepRow, bool>, bool, List<ChartPoint>> points) =>
    [
        new("temperature", points(r => r.Cell.IsPlain && r.Cell.Alpha == 0, true), Temperatures, Line: true),
        new("mask, temperature", points(r => r.Cell.IsPlain && r.Cell.Alpha > 0, true), MaskedTemperatures, Line: true),
        new("steered", points(r => r.Asked && !r.Cell.IsPlain && r.Cell.Alpha == 0, false), CellsWithoutMask),
        new("steered, mask", points(r => r.Asked && !r.Cell.IsPlain && r.Cell.Alpha > 0, false), CellsWithMask),
    ];

    private static double? Of(SweepRow row, string metric) => metric == "entropy" ? row.Texts.Entropy : row[metric]?.Value;

    /// <summary>Values of different orders of magnitude need a logarithmic axis.</summary>
    private static bool Spans(ChartSeries[] series, Func<ChartPoint, double> value)
    {
        const double orders = 20;
        var values = series.SelectMany(s => s.Points).Select(value).ToList();
        return values.Min() >= 1 && values.Max() / values.Min() > orders;
    }

    private static (double Low, double High)? Ends(MetricValue value) => value is { Low: { } low, High: { } high } ? (low, high) : null;

    private static string Short(SweepCell cell) => cell.Preset == GuidancePreset.Steer
        ? string.Create(CultureInfo.InvariantCulture, $"{cell.Gamma}/{cell.Eta}")
        : cell.Name;

    private static string Capital(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];
}
