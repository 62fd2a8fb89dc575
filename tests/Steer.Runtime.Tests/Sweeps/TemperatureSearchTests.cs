using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Tests.Sweeps;

/// <summary>The search against entropies that are known functions of the temperature.</summary>
public sealed class TemperatureSearchTests
{
    [Theory]
    [InlineData(0.05)]
    [InlineData(0.9)]
    [InlineData(2.2)]
    [InlineData(5.9)]
    public void Comes_within_one_percent_of_an_entropy_that_rises_with_temperature(double target)
    {
        var measured = Search(t => 6 * (1 - Math.Exp(-t)), target);
        Assert.InRange(measured[TemperatureSearch.Nearest(measured, target)!.Value], 0.99 * target, 1.01 * target);
        Assert.True(measured.Count <= 16, $"{measured.Count} temperatures were tried.");
    }

    [Fact]
    public void Searches_for_near_entropies_share_their_temperatures()
    {
        var measured = new Dictionary<float, double>();
        foreach (double target in Enumerable.Range(0, 40).Select(i => 2 + (0.01 * i)))
            Search(t => 6 * (1 - Math.Exp(-t)), target, measured);
        Assert.True(measured.Count < 24, $"{measured.Count} temperatures were tried.");
    }

    [Fact]
    public void An_entropy_out_of_reach_gets_the_nearest_and_ends()
    {
        var measured = Search(t => 6 * (1 - Math.Exp(-t)), 7);
        Assert.Equal(16, TemperatureSearch.Nearest(measured, 7));
        Assert.Equal(5, measured.Count);
    }

    [Fact]
    public void An_entropy_that_jumps_past_the_target_ends_with_the_nearer_side()
    {
        var measured = Search(t => t < 0.7f ? 1 : 3, 1.5);
        float nearest = TemperatureSearch.Nearest(measured, 1.5)!.Value;
        Assert.Equal(1, measured[nearest]);
        Assert.InRange(measured.Keys.Where(t => t >= 0.7f).Min() - measured.Keys.Where(t => t < 0.7f).Max(), 0, 1f / 256);
    }

    [Fact]
    public void Beside_a_spent_bracket_more_temperatures_are_tried_until_one_matches_or_none_will()
    {
        var measured = Search(t => t < 0.7f ? 1 : 3, 1.5);
        int spent = measured.Count;
        while (TemperatureSearch.NextBeside(measured, 1.5, tolerance: 0.01) is { } temperature)
        {
            Assert.DoesNotContain(temperature, measured.Keys);
            measured[temperature] = measured.Count == spent + 3 ? 1.501 : 1;
        }

        Assert.Equal(spent + 4, measured.Count);
        Assert.Equal(1.501, measured[TemperatureSearch.Nearest(measured, 1.5)!.Value]);
        Assert.Null(TemperatureSearch.NextBeside(new Dictionary<float, double> { [1] = 1, [2] = 3 }, 1.5, tolerance: 0.01));
    }

    [Fact]
    public void No_entropy_is_that_of_greedy_decoding() => Assert.Equal([0f, 1f], Search(t => 6 * (1 - Math.Exp(-t)), 0).Keys.Order());

    private static Dictionary<float, double> Search(Func<float, double> entropy, double target, Dictionary<float, double>? measured = null)
    {
        measured ??= new() { [1] = entropy(1) };
        while (TemperatureSearch.Next(measured, target, tolerance: 0.01) is { } temperature)
        {
            Assert.DoesNotContain(temperature, measured.Keys);
            measured[temperature] = entropy(temperature);
        }

        return measured;
    }
}
