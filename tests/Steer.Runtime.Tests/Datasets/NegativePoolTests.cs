using Steer.Runtime.Datasets;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>Draws without replacement.</summary>
public class NegativePoolTests
{
    private static readonly NegativePool Pool = new([.. Enumerable.Range(0, 20).Select(i => $"example {i}")]);

    [Fact]
    public void A_draw_is_the_same_for_the_same_seed_and_holds_no_example_twice()
    {
        for (ulong seed = 0; seed < 200; seed++)
        {
            int[] drawn = Pool.Draw(seed, 10);
            Assert.Equal(10, drawn.Distinct().Count());
            Assert.Equal(drawn, Pool.Draw(seed, 10));
        }

        Assert.NotEqual(Pool.Draw(1, 10), Pool.Draw(2, 10));
    }

    [Fact]
    public void A_small_pool_is_drawn_whole() => Assert.Equal(Enumerable.Range(0, 20), Pool.Draw(3, 50).Order());

    /// <summary>
    /// 20,000 draws of 5 from 20: each example is expected 5,000 times; the chi-square statistic has at most
    /// 19 degrees of freedom and stays under 43.8 with probability 0.999. The seeds are fixed.
    /// </summary>
    [Fact]
    public void Every_example_is_equally_likely()
    {
        var counts = new int[20];
        for (ulong seed = 0; seed < 20_000; seed++)
        {
            foreach (int i in Pool.Draw(seed, 5))
                counts[i]++;
        }

        Assert.True(counts.Sum(c => (c - 5000.0) * (c - 5000.0) / 5000) < 43.8);
    }
}
