using System.Globalization;
using OxyPlot;
using OxyPlot.Annotations;
using OxyPlot.Axes;
using OxyPlot.Legends;
using OxyPlot.Series;

namespace Steer.Runtime.Reports;

/// <summary>A point of a plot, with the ends of its intervals where it has them.</summary>
/// <param name="X">Where it lies.</param>
/// <param name="Y">Where it lies.</param>
/// <param name="Label">Stands beside it; null for nothing.</param>
/// <param name="XInterval">Ends of its interval along x.</param>
/// <param name="YInterval">Ends of its interval along y.</param>
internal sealed record ChartPoint(double X, double Y, string? Label = null, (double Low, double High)? XInterval = null, (double Low, double High)? YInterval = null);

/// <summary>Points of one kind.</summary>
/// <param name="Title">In the legend.</param>
/// <param name="Points">The points.</param>
/// <param name="Colour">Which colour of the palette.</param>
/// <param name="Line">Points are joined.</param>
/// <param name="Marks">Points are drawn.</param>
internal sealed record ChartSeries(string Title, IReadOnlyList<ChartPoint> Points, int Colour, bool Line = false, bool Marks = true);

/// <summary>The plots of the reports.</summary>
internal static class Charts
{
    private const double Opaque = 255;

    // Browsers set letters up to a fifth wider than the plot reckons with: legends and titles need air.
    private const double LegendGap = 40;
    private const double TitleGap = 10;
    private const double LeftTitleGap = 20;
    private const double LeftMargin = 62;
    private const double BottomMargin = 44;

    // Labels nearer to each other than these shares of the plot would lie on one another.
    private const double LabelWidth = 0.1;
    private const double LabelHeight = 0.045;

    /// <summary>Points and lines over two axes.</summary>
    /// <param name="x">Below.</param>
    /// <param name="y">To the left.</param>
    /// <param name="series">What is drawn; the later ones above.</param>
    /// <param name="logX">The axis of x is logarithmic.</param>
    /// <param name="logY">The axis of y is.</param>
    /// <param name="size">Radius of a point.</param>
    public static PlotModel Plot(string x, string y, IReadOnlyList<ChartSeries> series, bool logX = false, bool logY = false, double size = 3.5)
    {
        var plot = new PlotModel { PlotMargins = new OxyThickness(LeftMargin, double.NaN, double.NaN, BottomMargin) };
        plot.Axes.Add(Axis(x, AxisPosition.Bottom, logX));
        plot.Axes.Add(Axis(y, AxisPosition.Left, logY));
        plot.Legends.Add(new Legend
        {
            LegendPlacement = LegendPlacement.Outside,
            LegendPosition = LegendPosition.TopLeft,
            LegendOrientation = LegendOrientation.Horizontal,
            LegendTextColor = Palette.Ink,
            LegendFontSize = 12,
            LegendMargin = 0,
            LegendPadding = 2,
            LegendItemSpacing = LegendGap,
        });
        var labelled = Apart(series, logX, logY);
        foreach (var one in series.Where(s => s.Points.Count > 0))
        {
            var colour = Palette.Series(one.Colour);
            AddIntervals(plot, one, Faint(colour, 0.35));
            var line = new LineSeries
            {
                Title = one.Title,
                Color = one.Line ? colour : OxyColors.Transparent,
                StrokeThickness = one.Line ? 1.5 : 0,
                MarkerType = one.Marks ? MarkerType.Circle : MarkerType.None,
                MarkerSize = size,
                MarkerFill = Faint(colour, one.Line ? 1 : 0.75),
            };
            foreach (var point in one.Points)
            {
                line.Points.Add(new DataPoint(point.X, point.Y));
                if (labelled.Contains(point))
                    plot.Annotations.Add(Label(point, colour));
            }

            plot.Series.Add(line);
        }

        return plot;
    }

    /// <summary>Values over two lists of numbers, each in its cell, the darker the higher.</summary>
    public static PlotModel HeatMap(string x, string y, IReadOnlyList<float> columns, IReadOnlyList<float> rows, Func<float, float, double?> value, string format)
    {
        var plot = new PlotModel { PlotMargins = new OxyThickness(LeftMargin, double.NaN, double.NaN, BottomMargin) };
        plot.Axes.Add(Categories(x, AxisPosition.Bottom, columns));
        plot.Axes.Add(Categories(y, AxisPosition.Left, rows));
        var values = (from column in columns from row in rows select value(column, row)).OfType<double>().DefaultIfEmpty(0).ToArray();
        double low = values.Min(), range = values.Max() - low;
        for (int i = 0; i < columns.Count; i++)
        {
            for (int j = 0; j < rows.Count; j++)
            {
                if (value(columns[i], rows[j]) is not { } one)
                    continue;
                double share = range > 0 ? (one - low) / range : 0;
                plot.Annotations.Add(new RectangleAnnotation
                {
                    MinimumX = i - 0.5,
                    MaximumX = i + 0.5,
                    MinimumY = j - 0.5,
                    MaximumY = j + 0.5,
                    Fill = Faint(Palette.Series(0), 0.04 + (0.56 * share)),
                    Stroke = Palette.Line,
                    StrokeThickness = 1,
                    Text = one.ToString(format, CultureInfo.InvariantCulture),
                    TextColor = Palette.Ink,
                });
            }
        }

        // An empty series keeps the plot from taking its size from nothing.
        plot.Series.Add(new LineSeries());
        return plot;
    }

    /// <summary>The points whose labels find room beside those that were placed before them.</summary>
    private static HashSet<ChartPoint> Apart(IReadOnlyList<ChartSeries> series, bool logX, bool logY)
    {
        var all = series.SelectMany(s => s.Points).ToList();
        var placed = new List<(double X, double Y)>();
        var labelled = new HashSet<ChartPoint>(ReferenceEqualityComparer.Instance);
        if (all.Count == 0)
            return labelled;
        Func<double, double> x = Scale(all.Select(p => p.X), logX), y = Scale(all.Select(p => p.Y), logY);
        foreach (var point in all.Where(p => p.Label is not null))
        {
            var place = (X: x(point.X), Y: y(point.Y));
            if (placed.Exists(p => Math.Abs(p.X - place.X) < LabelWidth && Math.Abs(p.Y - place.Y) < LabelHeight))
                continue;
            placed.Add(place);
            labelled.Add(point);
        }

        return labelled;
    }

    /// <summary>From a value to its share of the axis.</summary>
    private static Func<double, double> Scale(IEnumerable<double> values, bool logarithmic)
    {
        Func<double, double> map = logarithmic ? Math.Log : v => v;
        double[] mapped = [.. values.Select(map)];
        double low = mapped.Min(), range = Math.Max(mapped.Max() - low, double.Epsilon);
        return value => (map(value) - low) / range;
    }

    private static LinearAxis Categories(string title, AxisPosition position, IReadOnlyList<float> values) => new()
    {
        Position = position,
        Title = title,
        TitleColor = Palette.Muted,
        AxisTitleDistance = position == AxisPosition.Left ? LeftTitleGap : TitleGap,
        TextColor = Palette.Ink,
        TicklineColor = Palette.Line,
        Minimum = -0.5,
        Maximum = values.Count - 0.5,
        MajorStep = 1,
        MinorTickSize = 0,
        MajorTickSize = 0,
        LabelFormatter = place => place == Math.Round(place) && place >= 0 && place < values.Count ? values[(int)place].ToString(CultureInfo.InvariantCulture) : "",
    };

    private static Axis Axis(string title, AxisPosition position, bool logarithmic)
    {
        Axis axis = logarithmic ? new LogarithmicAxis() : new LinearAxis { MinimumPadding = 0.06, MaximumPadding = 0.06, StringFormat = "0.###" };
        axis.Position = position;
        axis.Title = title;
        axis.TitleColor = Palette.Muted;
        axis.AxisTitleDistance = position == AxisPosition.Left ? LeftTitleGap : TitleGap;
        axis.TextColor = Palette.Ink;
        axis.TicklineColor = Palette.Line;
        axis.MinorTickSize = 0;
        axis.MajorGridlineStyle = LineStyle.Solid;
        axis.MajorGridlineColor = Faint(Palette.Line, 0.6);
        return axis;
    }

    private static TextAnnotation Label(ChartPoint point, OxyColor colour) => new()
    {
        Text = point.Label,
        TextPosition = new DataPoint(point.X, point.Y),
        TextHorizontalAlignment = HorizontalAlignment.Left,
        TextVerticalAlignment = VerticalAlignment.Bottom,
        Offset = new ScreenVector(4, -2),
        TextColor = colour,
        FontSize = 11,
        StrokeThickness = 0,
    };

    private static void AddIntervals(PlotModel plot, ChartSeries series, OxyColor colour)
    {
        var bars = new LineSeries { Color = colour, StrokeThickness = 1 };
        foreach (var point in series.Points)
        {
            if (point.XInterval is var (left, right))
                bars.Points.AddRange([new DataPoint(left, point.Y), new DataPoint(right, point.Y), DataPoint.Undefined]);
            if (point.YInterval is var (low, high))
                bars.Points.AddRange([new DataPoint(point.X, low), new DataPoint(point.X, high), DataPoint.Undefined]);
        }

        if (bars.Points.Count > 0)
            plot.Series.Add(bars);
    }

    private static OxyColor Faint(OxyColor colour, double share) => OxyColor.FromAColor((byte)Math.Round(share * Opaque), colour);
}
