using Steer.Runtime.Reports;

namespace Steer.Runtime.Tests.Reports;

/// <summary>Labels stand where there is room, else nowhere.</summary>
public sealed class ChartLabelsTests
{
    [Fact]
    public void A_point_alone_has_its_label_to_the_upper_right()
    {
        var point = new ChartPoint(0.5, 0.5, "0.2/0.4");
        Assert.Equal(new LabelSide(Left: false, Below: false), Place(point, new ChartPoint(0, 0), new ChartPoint(1, 1))[point]);
    }

    [Fact]
    public void A_label_moves_to_the_side_where_no_point_and_no_line_is()
    {
        var (left, right) = (new ChartPoint(0.5, 0.5, "left"), new ChartPoint(1, 0, "right"));
        var places = Place(left, right, new ChartPoint(0.55, 0.51), new ChartPoint(0, 1));
        Assert.Equal(new LabelSide(Left: true, Below: false), places[left]);
        Assert.Equal(new LabelSide(Left: true, Below: false), places[right]);

        ChartSeries line = new("line", [new ChartPoint(0.4, 0.52), new ChartPoint(0.7, 0.52)], 1, Line: true), points = new("points", [left, right, new ChartPoint(0, 1)], 0);
        Assert.True(ChartLabels.Place([line, points], logX: false, logY: false)[left].Below);
    }

    [Fact]
    public void Where_there_is_no_room_a_point_has_no_label()
    {
        ChartPoint[] crowd = [.. Enumerable.Range(0, 30).Select(i => new ChartPoint(0.5 + (0.001 * i), 0.5, "a label"))];
        Assert.InRange(Place([.. crowd, new ChartPoint(0, 0), new ChartPoint(1, 1)]).Count, 1, 4);
        Assert.Empty(ChartLabels.Place([], logX: false, logY: false));
    }

    [Fact]
    public void Places_are_shares_of_the_axis_and_intervals_belong_to_it()
    {
        var point = new ChartPoint(10, 1, "0.2/0.4");
        Assert.False(Place(logX: true, point, new ChartPoint(1, 0), new ChartPoint(100, 2))[point].Left);
        var last = new ChartPoint(100, 1, "a long label", XInterval: (90, 200));
        Assert.False(Place(last, new ChartPoint(0, 0))[last].Left);
    }

    private static IReadOnlyDictionary<ChartPoint, LabelSide> Place(params ChartPoint[] points) => Place(logX: false, points);

    private static IReadOnlyDictionary<ChartPoint, LabelSide> Place(bool logX, params ChartPoint[] points) =>
        ChartLabels.Place([new ChartSeries("points", points, 0)], logX, logY: false);
}
