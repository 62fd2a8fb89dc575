namespace Steer.Runtime.Reports;

/// <summary>Where a label stands beside its point.</summary>
/// <param name="Left">To the left, else to the right.</param>
/// <param name="Below">Below, else above.</param>
internal readonly record struct LabelSide(bool Left, bool Below);

/// <summary>Finds room for the labels of a plot. Lengths are shares of the range that the points span.</summary>
internal static class ChartLabels
{
    // A letter of a label, a line of text and a point, in a plot of 440 by 310 units whose axes reach a little beyond the points.
    private const double LetterWidth = 0.0165;
    private const double LineHeight = 0.045;
    private const double PointRadius = 0.012;

    // Labels may stand in the margin within the axes.
    private const double Margin = 0.055;
    private const double LineStep = 0.02;

    private static readonly LabelSide[] Sides = [new(false, false), new(true, false), new(false, true), new(true, true)];

    /// <summary>A side for each point whose label lies on no point, no line and no label that was placed before it; the others get none.</summary>
    public static IReadOnlyDictionary<ChartPoint, LabelSide> Place(IReadOnlyList<ChartSeries> series, bool logX, bool logY)
    {
        var labels = new Dictionary<ChartPoint, LabelSide>(ReferenceEqualityComparer.Instance);
        var all = series.SelectMany(s => s.Points).ToList();
        if (all.Count == 0)
            return labels;
        var x = Scale(all.SelectMany(p => Values(p.X, p.XInterval)), logX);
        var y = Scale(all.SelectMany(p => Values(p.Y, p.YInterval)), logY);
        var taken = series.SelectMany(s => Marks(s, x, y)).ToList();
        foreach (var point in all.Where(p => !string.IsNullOrEmpty(p.Label)))
        {
            foreach (var side in Sides)
            {
                var box = Box.Beside(x(point.X), y(point.Y), point.Label!.Length, side);
                if (!box.IsInside || taken.Exists(box.Meets))
                    continue;
                taken.Add(box);
                labels.Add(point, side);
                break;
            }
        }

        return labels;
    }

    private static IEnumerable<double> Values(double value, (double Low, double High)? ends) =>
        ends is var (low, high) ? [value, low, high] : [value];

    /// <summary>The points of a series, and where it has one, points along its line.</summary>
    private static IEnumerable<Box> Marks(ChartSeries series, Func<double, double> x, Func<double, double> y)
    {
        (double X, double Y)[] places = [.. series.Points.Select(p => (x(p.X), y(p.Y)))];
        foreach (var (atX, atY) in places)
            yield return new Box(atX - PointRadius, atX + PointRadius, atY - PointRadius, atY + PointRadius);
        for (int i = 1; series.Line && i < places.Length; i++)
        {
            var (from, to) = (places[i - 1], places[i]);
            int steps = (int)(Math.Max(Math.Abs(to.X - from.X), Math.Abs(to.Y - from.Y)) / LineStep);
            for (int step = 1; step <= steps; step++)
            {
                double share = (double)step / (steps + 1), atX = from.X + (share * (to.X - from.X)), atY = from.Y + (share * (to.Y - from.Y));
                yield return new Box(atX, atX, atY, atY);
            }
        }
    }

    /// <summary>From a value to its share of the range.</summary>
    private static Func<double, double> Scale(IEnumerable<double> values, bool logarithmic)
    {
        Func<double, double> map = logarithmic ? Math.Log : v => v;
        double[] mapped = [.. values.Select(map)];
        double low = mapped.Min(), range = Math.Max(mapped.Max() - low, double.Epsilon);
        return value => (map(value) - low) / range;
    }

    private readonly record struct Box(double Left, double Right, double Bottom, double Top)
    {
        public bool IsInside => Left >= -Margin && Right <= 1 + Margin && Bottom >= -Margin && Top <= 1 + Margin;

        public static Box Beside(double x, double y, int letters, LabelSide side)
        {
            double left = side.Left ? x - PointRadius - (letters * LetterWidth) : x + PointRadius, bottom = side.Below ? y - LineHeight : y;
            return new Box(left, left + (letters * LetterWidth), bottom, bottom + LineHeight);
        }

        public bool Meets(Box other) => Left < other.Right && other.Left < Right && Bottom < other.Top && other.Bottom < Top;
    }
}
