using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Guidance;

/// <summary>Draws against the exact distribution, and bits that must not change with batch or threads.</summary>
[Collection(DeviceCollection.Name)]
public sealed class GuideDrawTests(DeviceSet devices)
{
    [Theory]
    [OnEveryDevice(Except = DeviceSet.Ptx)]
    public void Many_draws_follow_the_exact_distribution(string device)
    {
        // An emulator takes half a minute for what others do in half a second.
        int draws = device == "ilgpu-cpu" ? 20_000 : 100_000;
        GuideCase guided = Guided(seed: 1, vocabSize: 60);
        var reference = new GuideReference(guided);
        double[] expected = reference.Distribution;
        int[] counts = new int[expected.Length];
        int[] tokens = GuideRunner.Draw(devices[device], guided, draws);
        for (int step = 0; step < draws; step++)
        {
            counts[tokens[step]]++;
            // Each draw is also the right one, but where the random number is nearer to an edge than float32 tells the two sides apart.
            (int token, double distance) = reference.Draw(Philox.Uniform(guided.Row.Seed, step));
            if (distance > 1e-5)
                Assert.Equal(token, tokens[step]);
        }

        double statistic = 0;
        int cells = 0;
        for (int x = 0; x < expected.Length; x++)
        {
            if (expected[x] == 0)
            {
                Assert.Equal(0, counts[x]);
                continue;
            }

            // The approximation by a chi-square asks for about five draws in each cell.
            Assert.True(expected[x] * draws > 5);
            statistic += Math.Pow(counts[x] - (expected[x] * draws), 2) / (expected[x] * draws);
            cells++;
        }

        // A chi-square with d degrees of freedom exceeds d + 2 sqrt(d t) + 2 t with a probability of at most exp(-t) (Laurent and Massart,
        // 2000, lemma 1): t = 15 is once in three million. Seed and steps are fixed, so the test holds for good or tells of a fault.
        double d = cells - 1;
        Assert.True(cells > 20, $"{cells} cells");
        Assert.InRange(statistic, 0, d + (2 * Math.Sqrt(15 * d)) + 30);
    }

    [Theory]
    [OnEveryDevice]
    public void A_sequence_has_the_same_bits_alone_and_in_a_batch(string device)
    {
        GuideCase[] cases = [.. Enumerable.Range(0, 64).Select(i => Sharing(GuideGenerator.Make(i)))];
        GuideOutcome[] together = GuideRunner.Run(devices[device], cases);
        for (int i = 0; i < cases.Length; i++)
            AssertSame(GuideRunner.Run(devices[device], cases[i])[0], together[i]);
    }

    [Fact]
    public void Threads_and_vector_width_change_no_bit()
    {
        GuideCase[] cases = [.. Enumerable.Range(100, 64).Select(i => Sharing(GuideGenerator.Make(i)))];
        GuideOutcome[] expected = GuideRunner.Run(devices[DeviceSet.HostNames[0]], cases);
        foreach (string device in DeviceSet.HostNames.Skip(1))
        {
            GuideOutcome[] actual = GuideRunner.Run(devices[device], cases);
            for (int i = 0; i < cases.Length; i++)
                AssertSame(expected[i], actual[i]);
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Penalties_grow_with_what_was_drawn(string device)
    {
        // Greedy with a presence penalty: each token once, best first.
        GuideCase step = GuideCase.Plain([0, 3, 1, 2], GuideCase.Neutral with { Temperature = 0, PresencePenalty = 10 }) with { Counts = new int[4] };
        var tokens = new List<int>();
        for (int i = 0; i < 5; i++)
        {
            GuideOutcome outcome = GuideRunner.Run(devices[device], step)[0];
            tokens.Add(outcome.Result.Token);
            step = step with { Counts = outcome.Counts };
        }

        Assert.Equal([1, 3, 2, 0, 1], tokens);
    }

    [Fact]
    public void A_launch_allocates_nothing_once_it_is_warm()
    {
        using var device = new HostDevice(new HostDeviceOptions { Threads = 1 });
        GuideCase guided = Guided(seed: 2, vocabSize: 3000) with { Counts = new int[3000] };
        Assert.Equal(0, GuideRunner.AllocatedByLaunch(device, guided));
    }

    // EOS ids belong to a batch: the cases of one get the same.
    private static GuideCase Sharing(GuideCase one) => one with { EosIds = [0] };

    private static GuideCase Guided(int seed, int vocabSize) => new()
    {
        Logits = [.. Enumerable.Range(0, 3).Select(j => Matrix.Random((3 * seed) + j, 1, vocabSize, 1.5f).Data)],
        Branches = GuideCase.Weights(1.3f, -0.3f, -0.2f),
        Row = GuideCase.Neutral with { Alpha = 0.005f, Temperature = 1.1f, TopP = 0.99f, Seed = 20230808, Alternatives = 5 },
    };

    private static void AssertSame(GuideOutcome expected, GuideOutcome actual)
    {
        Assert.Equal(expected.Result, actual.Result);
        Assert.Equal(expected.BranchLogProbs, actual.BranchLogProbs);
        Assert.Equal(expected.Alternatives, actual.Alternatives);
        Assert.Equal(expected.Counts, actual.Counts);
    }
}
