using System.Globalization;
using System.Text;
using Steer.Cli.Runs;

namespace Steer.Cli.Display;

/// <summary>
/// The roofline (Williams et al., CACM 52(4), 2009) in characters: operations per second over operations per byte, both logarithmic. The roof is what
/// the machine can do at most, a letter is a kernel.
/// </summary>
internal static class RooflineChart
{
    private const int MostColumns = 78;
    private const int Lines = 12;
    private const int LabelColumns = 8;

    /// <summary>Draws the kernels that have letters, on as many columns as the window has.</summary>
    /// <param name="roofline">Kernels and limits.</param>
    /// <param name="letters">A letter for the first of the roofline's rows each.</param>
    /// <param name="window">Columns of the window; 0 for any number.</param>
    public static string Draw(Roofline roofline, string letters, int window)
    {
        var points = roofline.Rows.Take(letters.Length).Select((row, i) => (Letter: letters[i], row.Intensity, Rate: row.OperationsPerSecond))
            .Where(p => p.Rate > 0).ToList();
        if (points.Count == 0 || !double.IsFinite(roofline.PeakRate))
            return "";
        double ridge = roofline.PeakRate / roofline.StoredRate;
        var x = new LogAxis(Math.Min(ridge, points.Min(p => p.Intensity)) / 2, 2 * Math.Max(ridge, points.Max(p => p.Intensity)));
        var y = new LogAxis(points.Min(p => p.Rate) / 2, 1.5 * Math.Max(roofline.PeakRate, points.Max(p => p.Rate)));
        int columns = Math.Min(window > 0 ? window : MostColumns, MostColumns) - LabelColumns;
        var canvas = new char[Lines, columns];
        for (int line = 0; line < Lines; line++)
        {
            for (int column = 0; column < columns; column++)
                canvas[line, column] = ' ';
        }

        for (int column = 0; column < columns; column++)
        {
            double slope = x.Value(column, columns) * roofline.StoredRate;
            Put(y.Place(Math.Min(slope, roofline.PeakRate), Lines), column, slope < roofline.PeakRate ? '/' : '-');
            if (roofline.Float32Rate < 0.9 * roofline.PeakRate && slope >= roofline.Float32Rate)
                Put(y.Place(roofline.Float32Rate, Lines), column, '.');
        }

        // The first letters are the longest kernels: they are drawn last and seen whatever lies below them.
        foreach (var point in Enumerable.Reverse(points))
            Put(y.Place(point.Rate, Lines), x.Place(point.Intensity, columns), point.Letter);

        var text = new StringBuilder("GFLOP/s\n");
        for (int line = Lines - 1; line >= 0; line--)
        {
            string label = line % 3 == 2 || line == 0 ? Number(1e-9 * y.Value(line, Lines)) : "";
            text.Append(label.PadLeft(LabelColumns - 2)).Append(" |");
            for (int column = 0; column < columns; column++)
                text.Append(canvas[line, column]);
            text.Append('\n');
        }

        string from = Number(x.Value(0, columns)), to = Number(x.Value(columns - 1, columns));
        const string Title = "FLOP per byte";
        int gap = Math.Max(1, columns - from.Length - to.Length - Title.Length);
        text.Append(' ', LabelColumns - 1).Append('+').Append('-', columns).Append('\n');
        text.Append(' ', LabelColumns).Append(from).Append(' ', gap / 2).Append(Title).Append(' ', gap - (gap / 2)).Append(to).Append('\n');
        return text.ToString();

        void Put(int line, int column, char mark) => canvas[line, column] = mark;
    }

    private static string Number(double value) => value.ToString(value >= 10 ? "0" : value >= 1 ? "0.0" : "0.00", CultureInfo.InvariantCulture);

    /// <summary>Numbers from one to another, evenly by their logarithms.</summary>
    private readonly record struct LogAxis(double From, double To)
    {
        public double Value(int place, int places) => From * Math.Pow(To / From, (double)place / (places - 1));

        public int Place(double value, int places) =>
            Math.Clamp((int)Math.Round(Math.Log(value / From) / Math.Log(To / From) * (places - 1)), 0, places - 1);
    }
}
