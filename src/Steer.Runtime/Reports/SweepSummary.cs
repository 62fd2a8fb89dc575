using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Reports;

/// <summary>What steering buys at equal entropy, in one table: for every metric, in how many cells it makes a clear difference.</summary>
internal static class SweepSummary
{
    /// <summary>Stands above the table.</summary>
    public const string Sentence =
        "In how many steered cells a metric lies clearly above or below that of the expert alone at the same entropy (the 95% interval of the " +
        "difference holds no 0), and the median difference:";

    private static readonly (string Head, ControlKind Kind, bool Masked)[] Columns =
    [
        ("no mask, against temperature", ControlKind.Temperature, false),
        ("mask, against temperature", ControlKind.Temperature, true),
        ("mask, against mask and temperature", ControlKind.MaskedTemperature, true),
    ];

    /// <summary>The lines of the table, its head first; null where no cell was matched.</summary>
    public static IReadOnlyList<IReadOnlyList<string>>? Of(SweepResult result)
    {
        string[] metrics = [.. SweepReport.Compared.Where(m => result.Rows.Any(r => r[m]?.Value is not null))];
        var columns = Columns.Where(c => Array.Exists(metrics, m => SweepSentences.Count(result, m, c.Kind, c.Masked) is not null)).ToList();
        return columns.Count == 0 ? null :
        [
            ["metric", .. columns.Select(c => c.Head)],
            .. metrics.Select(metric => (IReadOnlyList<string>)
            [
                SweepSentences.Title(result, metric),
                .. columns.Select(c => SweepSentences.Count(result, metric, c.Kind, c.Masked) is var (cells, above, below, median)
                    ? $"{above} above, {below} below of {cells}; {Numbers.Signed(median)}"
                    : "-"),
            ]),
        ];
    }
}
