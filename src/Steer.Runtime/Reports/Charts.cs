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
internal sealed record ChartPoint(
    double X, double Y, string? Label = null, (double Low, double High)? XInterval = null, (double Low, double High)? YInterval = null);

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

    private const double ManyOrders = 20;

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
        var labels = ChartLabels.Place(series, logX, logY);
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
                if (labels.TryGetValue(point, out var side))
                    plot.Annotations.Add(Label(point, side, colour));
            }

            plot.Series.Add(line);
        }

        return plot;
    }

    /// <summary>Values of different orders of magnitude need a logarithmic scale.</summary>
    public static bool SpansOrders(IReadOnlyCollection<double> values) =>
        values.Count > 0 && values.Min() >= 1 && values.Max() / values.Min() > ManyOrders;

    /// <summary>Values over two lists of numbers, each in its cell, the stronger the colour the higher; in the second colour below 0.</summary>
    public static PlotModel HeatMap(
        string x, string y, IReadOnlyList<float> columns, IReadOnlyList<float> rows, Func<float, float, (double Value, string Text)?> value)
    {
        var plot = new PlotModel { PlotMargins = new OxyThickness(LeftMargin, double.NaN, double.NaN, BottomMargin) };
        plot.Axes.Add(Categories(x, AxisPosition.Bottom, columns));
        plot.Axes.Add(Categories(y, AxisPosition.Left, rows));
        double[] values = [.. from column in columns from row in rows let cell = value(column, row) where cell is not null select cell.Value.Value];
        bool logarithmic = SpansOrders(values), signed = values.Any(v => v < 0);
        Func<double, double> scale = logarithmic ? Math.Log : v => v;
        double low = signed ? 0 : scale(values.DefaultIfEmpty(0).Min()), range = values.Select(v => Math.Abs(scale(v) - low)).DefaultIfEmpty(0).Max();
        for (int i = 0; i < columns.Count; i++)
        {
            for (int j = 0; j < rows.Count; j++)
            {
                if (value(columns[i], rows[j]) is not var (one, text))
                    continue;
                double share = range > 0 ? Math.Abs(scale(one) - low) / range : 0;
                plot.Annotations.Add(new RectangleAnnotation
                {
                    MinimumX = i - 0.5,
                    MaximumX = i + 0.5,
                    MinimumY = j - 0.5,
                    MaximumY = j + 0.5,
                    Fill = Faint(Palette.Series(one < 0 ? 1 : 0), 0.04 + (0.56 * share)),
                    Stroke = Palette.Line,
                    StrokeThickness = 1,
                    Text = text,
                    TextColor = Palette.Ink,
                });
            }
        }

        // An empty series keeps the plot from taking its size from nothing.
        plot.Series.Add(new LineSeries());
        return plot;
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
        LabelFormatter = place =>
            place == Math.Round(place) && place >= 0 && place < values.Count ? values[(int)place].ToString(CultureInfo.InvariantCulture) : "",
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

    private static TextAnnotation Label(ChartPoint point, LabelSide side, OxyColor colour) => new()
    {
        Text = point.Label,
        TextPosition = new DataPoint(point.X, point.Y),
        TextHorizontalAlignment = side.Left ? HorizontalAlignment.Right : HorizontalAlignment.Left,
        TextVerticalAlignment = side.Below ? VerticalAlignment.Top : VerticalAlignment.Bottom,
        Offset = new ScreenVector(side.Left ? -4 : 4, side.Below ? 2 : -2),
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
