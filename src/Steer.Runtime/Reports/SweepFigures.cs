using System.Globalization;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Guidance;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>Figures over the cells of a sweep, each with a sentence computed from what it draws.</summary>
internal static class SweepFigures
{
    private const int MapMargin = 84, MapCell = 46;
    private const int CellsWithoutMask = 0, Temperatures = 1, CellsWithMask = 2, MaskedTemperatures = 3;

    /// <summary>
    /// A quality against diversity: the cells as points, the expert alone over temperatures as a line. Null where no cell has both.
    /// </summary>
    public static Figure? TradeOff(SweepResult result, string x, string y, string name)
    {
        MetricValue? Metric(SweepRow row, string metric) => row[metric] is { Value: not null } value ? value : null;
        ChartPoint? Point(SweepRow row) => Metric(row, x) is { } horizontal && Metric(row, y) is { } vertical
            ? new ChartPoint(horizontal.Value!.Value, vertical.Value!.Value, Short(row.Cell), Ends(horizontal), Ends(vertical))
            : null;
        List<ChartPoint> Points(Func<SweepRow, bool> which, bool bare) =>
        [
            .. result.Rows.Where(which).OrderBy(r => r.Cell.Temperature).Select(Point).OfType<ChartPoint>()
                .Select(p => bare ? p with { Label = null, XInterval = null, YInterval = null } : p),
        ];
        var series = Series(Points);
        if (series.All(s => s.Points.Count == 0))
            return null;
        string horizontal = SweepSentences.Title(result, x), vertical = SweepSentences.Title(result, y);
        string labels = "Points are cells, labelled gamma/eta, with 95% intervals; lines are the expert alone over temperatures, " +
            "without and with the mask.";
        string sentence = $"{SweepSentences.Verdict(result, y, ControlKind.Temperature)} {labels}";
        return Figure.Draw(
            name, $"{Capital(vertical)} against {horizontal}", sentence,
            Charts.Plot(horizontal, vertical, series, logX: Spans(series, p => p.X), logY: Spans(series, p => p.Y)), height: 400);
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

    /// <summary>Figures over gamma and eta for every mask, temperature and number of negatives that has at least two of each.</summary>
    public static IEnumerable<IReadOnlyList<Figure>> HeatMaps(SweepResult result, IReadOnlyList<(string Metric, string Title)> metrics)
    {
        var steered = result.Rows.Where(r => r.Asked && !r.Cell.SumToOne && r.Cell.Preset is GuidancePreset.Steer or GuidancePreset.Plain).ToList();
        var kinds = steered.Where(r => r.Cell.Eta > 0)
            .Select(r => (Alpha: r.Cell.Alpha!.Value, r.Cell.Temperature, r.Cell.Negatives)).Distinct().Order();
        int number = 0;
        foreach (var (alpha, temperature, negatives) in kinds)
        {
            number++;
            var cells = steered.Where(
                r => r.Cell.Alpha == alpha && r.Cell.Temperature == temperature && (r.Cell.Eta == 0 || r.Cell.Negatives == negatives))
                .ToDictionary(r => (Gamma: r.Cell.Gamma ?? 0, r.Cell.Eta));
            float[] gammas = [.. cells.Keys.Select(k => k.Gamma).Distinct().Order()], etas = [.. cells.Keys.Select(k => k.Eta).Distinct().Order()];
            if (gammas.Length < 2 || etas.Length < 2)
                continue;
            string setting = string.Create(
                CultureInfo.InvariantCulture,
                $"{(alpha > 0 ? $"mask {alpha}" : "no mask")}{(temperature != 1 ? $", temperature {temperature}" : "")}, {negatives} negatives");
            var maps = new List<Figure>();
            foreach (var (metric, title) in metrics)
            {
                var known = cells.Where(c => Of(c.Value, metric) is not null)
                    .Select(c => (c.Key.Gamma, c.Key.Eta, Value: Of(c.Value, metric)!.Value)).ToList();
                if (known.Count == 0)
                    continue;
                (double, string)? Cell(float gamma, float eta) =>
                    cells.GetValueOrDefault((gamma, eta)) is { } row && Of(row, metric) is { } value ? (value, Numbers.Compact(value)) : null;
                var (least, most) = (known.MinBy(k => k.Value), known.MaxBy(k => k.Value));
                string sentence = string.Create(
                    CultureInfo.InvariantCulture,
                    $"From {Numbers.Compact(least.Value)} at gamma {least.Gamma}, " +
                    $"eta {least.Eta} to {Numbers.Compact(most.Value)} at gamma {most.Gamma}, eta {most.Eta}.");
                maps.Add(Map($"heat-{metric}-{number}", $"{title}, {setting}", sentence, gammas, etas, Cell));
            }

            if (Gain(result, cells, gammas, etas, number, setting) is { } gain)
                maps.Insert(0, gain);
            yield return maps;
        }
    }

    /// <summary>How far the MAUVE of each cell lies above that of the expert alone at the same entropy; null where no cell was matched.</summary>
    private static Figure? Gain(
        SweepResult result, Dictionary<(float Gamma, float Eta), SweepRow> cells, float[] gammas, float[] etas, int number, string setting)
    {
        const string metric = "mauve";
        var differences = result.Contrasts.Where(c => c.Kind == ControlKind.Temperature).ToDictionary(c => c.Cell, c => c.Difference(metric));
        MetricDifference? At(float gamma, float eta) => cells.GetValueOrDefault((gamma, eta)) is { } row ? differences.GetValueOrDefault(row) : null;
        var known = (from gamma in gammas from eta in etas let gain = At(gamma, eta) where gain is not null select gain.Value).ToList();
        if (known.Count == 0)
            return null;
        string sentence = string.Create(
            CultureInfo.InvariantCulture,
            $"MAUVE of each cell minus that of the expert alone at the same entropy; * where the 95% interval holds no 0: " +
            $"{known.Count(d => d.Low > 0)} of {known.Count} above, {known.Count(d => d.High < 0)} below.");
        return Map(
            $"heat-gain-{number}", $"MAUVE minus that of equal entropy, {setting}", sentence, gammas, etas,
            (gamma, eta) => At(gamma, eta) is { } gain
                ? (gain.Value, string.Create(CultureInfo.InvariantCulture, $"{gain.Value:+0.00;-0.00;0.00}{(gain.IsClear ? "*" : "")}"))
                : null);
    }

    private static Figure Map(
        string name, string title, string sentence, float[] gammas, float[] etas, Func<float, float, (double, string)?> cell) => Figure.Draw(
            name, title, sentence, Charts.HeatMap("gamma", "eta", gammas, etas, cell),
            width: MapMargin + (MapCell * Math.Max(gammas.Length, 4)), height: 110 + (38 * Math.Max(etas.Length, 4)));

    private static ChartSeries[] Series(Func<Func<SweepRow, bool>, bool, List<ChartPoint>> points) =>
    [
        new("plain", points(r => r.Cell.IsPlain && r.Cell.Alpha == 0, true), Temperatures, Line: true),
        new("mask", points(r => r.Cell.IsPlain && r.Cell.Alpha > 0, true), MaskedTemperatures, Line: true),
        new("steered", points(r => r.Asked && !r.Cell.IsPlain && r.Cell.Alpha == 0, false), CellsWithoutMask),
        new("steered, mask", points(r => r.Asked && !r.Cell.IsPlain && r.Cell.Alpha > 0, false), CellsWithMask),
    ];

    private static double? Of(SweepRow row, string metric) => metric == "entropy" ? row.Texts.Entropy : row[metric]?.Value;

    private static bool Spans(ChartSeries[] series, Func<ChartPoint, double> value) =>
        Charts.SpansOrders([.. series.SelectMany(s => s.Points).Select(value)]);

    private static (double Low, double High)? Ends(MetricValue value) => value is { Low: { } low, High: { } high } ? (low, high) : null;

    private static string Short(SweepCell cell) => cell.Preset == GuidancePreset.Steer
        ? string.Create(CultureInfo.InvariantCulture, $"{cell.Gamma}/{cell.Eta}")
        : cell.Name;

    private static string Capital(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];
}
