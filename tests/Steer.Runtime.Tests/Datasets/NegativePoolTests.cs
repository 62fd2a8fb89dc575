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

    /// <summary>Against all cosines computed in float64 and sorted; numbers of a few bits, so that float32 makes no error and ties are ties.</summary>
    [Fact]
    public void Similar_negatives_are_one_that_is_drawn_and_those_with_the_largest_cosine()
    {
        var random = new Random(8);
        float[][] vectors = [.. Enumerable.Range(0, 60).Select(_ => Enumerable.Range(0, 21).Select(_ => random.Next(-1, 2) * 0.25f).ToArray())];
        var pool = new NegativePool([.. Enumerable.Range(0, 60).Select(i => $"{i}")], vectors);
        for (ulong seed = 0; seed < 100; seed++)
        {
            int[] drawn = pool.DrawSimilar(seed, 12);
            Assert.Equal(pool.Draw(seed, 1)[0], drawn[0]);
            double Cosine(int i) => vectors[drawn[0]].Zip(vectors[i], (a, b) => (double)a * b).Sum();
            Assert.Equal(Enumerable.Range(0, 60).Where(i => i != drawn[0]).OrderByDescending(Cosine).ThenBy(i => i).Take(11), drawn.Skip(1));
        }

        Assert.Equal(60, pool.DrawSimilar(1, 100).Distinct().Count());
        Assert.Single(pool.DrawSimilar(1, 1));
        Assert.Empty(pool.DrawSimilar(1, 0));
        Assert.Empty(new NegativePool([], []).DrawSimilar(1, 5));
        Assert.Throws<InvalidOperationException>(() => Pool.DrawSimilar(1, 5));
    }

    [Fact]
    public void Vectors_of_words_are_near_where_words_are_shared()
    {
        float[] Unit(string text) => NegativePool.Normalise(TextVectors.Embed(text));
        double Cosine(string a, string b) => Unit(a).Zip(Unit(b), (x, y) => (double)x * y).Sum();
        const string star = "The star cluster has a massive black hole in its core";
        Assert.Equal(1, Cosine(star, "the star cluster has a massive black hole in its core."), 1e-6);
        Assert.InRange(Cosine(star, "A massive black hole is in the core of the star cluster"), 0.4, 0.9);

        // Two texts without a common word: 1/16 is the deviation of the cosine of random signs in 256 places.
        Assert.InRange(Cosine(star, "Solar wind speeds vary over eleven years"), -0.25, 0.25);
        Assert.All(Unit("..."), x => Assert.Equal(0, x));
        Assert.Throws<ArgumentException>(() => NegativePool.Normalise([1, float.NaN]));
    }

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
