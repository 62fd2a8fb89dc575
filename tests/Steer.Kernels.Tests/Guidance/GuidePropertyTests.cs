using System.Diagnostics;

namespace Steer.Kernels.Tests.Guidance;

/// <summary>GuideAndSample against the float64 reference on random cases with all parameters random.</summary>
[Collection(DeviceCollection.Name)]
public sealed class GuidePropertyTests(DeviceSet devices)
{
    // Decisions nearer than this to their edge may fall the other way in float32; they are told apart, not compared.
    private const double MinMargin = 1e-4;

    [Theory]
    [OnEveryDevice]
    [InlineData(DeviceSet.WarpEmulator)]
    public void Every_result_is_that_of_the_reference(string device)
    {
        int cases = device is DeviceSet.WarpEmulator or DeviceSet.Ptx ? 60 : device == "ilgpu-cpu" ? 250 : 600;
        int compared = Enumerable.Range(0, cases).Count(seed => IsThatOfTheReference(device, seed));

        // About three in five are invalid, too near an edge, or ask for an entropy that no temperature gives.
        Assert.True(compared > 0.3 * cases, $"Only {compared} of {cases} cases were compared.");
    }

    // Other cases each time: a wrong bound of the reference shows once in many thousands.
    [Theory]
    [Trait("Category", "Heavy")]
    [OnEveryDevice]
    public void Every_new_result_is_that_of_the_reference(string device)
    {
        var watch = Stopwatch.StartNew();
        for (int seed = Random.Shared.Next(); watch.Elapsed < TimeSpan.FromMinutes(1); seed++)
            IsThatOfTheReference(device, seed);
    }

    private bool IsThatOfTheReference(string device, int seed)
    {
        bool compared = false;
        Exception? fault = Record.Exception(() => compared = IsThatOfTheReference(devices[device], GuideGenerator.Make(seed)));
        Assert.True(fault is null, $"The case of seed {seed}: {fault}");
        return compared;
    }

    // False where nothing could be compared but that the case is invalid.
    private static bool IsThatOfTheReference(Device device, GuideCase random)
    {
        var reference = new GuideReference(random);
        GuideOutcome outcome = GuideRunner.Run(device, random)[0];
        Assert.Equal(reference.Invalid ? 1 : 0, outcome.Result.Invalid);
        if (reference.Invalid || reference.Margin <= Math.Max(MinMargin, Tolerance(random, reference)))
            return false;
        Compare(random, reference, outcome);
        if (random.Row.Temperature != 0)
            CompareDistribution(random, reference, GuideRunner.Distribution(device, random));
        return true;
    }

    // What rounding may do to a log-probability: the error of two scores (the token's and the sum's), once more for the penalties'
    // logits, divided by the temperature; and 1e-6 for the sums of exponentials.
    private static double Tolerance(GuideCase random, GuideReference reference)
    {
        double penalty = Math.Max(random.Row.RepetitionPenalty, 1 / random.Row.RepetitionPenalty);
        double temperature = reference.Temperature == 0 ? 1 : Math.Min(reference.Temperature, 1);
        double scores = 3 * penalty * reference.ScoreError() / temperature;

        // A solved temperature is as good as the entropies it was told by: the bound at which the search stops, and what the scores' errors make of it.
        double solved = reference.TemperatureError == 0 ? 0 : reference.TemperatureError * (2e-6 + scores) * (1 + Math.Log(random.VocabSize));
        return 1e-6 + scores + solved;
    }

    private static void Compare(GuideCase random, GuideReference reference, GuideOutcome outcome)
    {
        double tolerance = Tolerance(random, reference);
        GuideResult result = outcome.Result;
        Assert.Equal(reference.Mask.Length, result.MaskSize);
        Assert.Equal(reference.Kept.Length, result.Kept);
        Assert.Equal(reference.Temperature, result.Temperature, 1e-6 + (tolerance * reference.Temperature));
        Assert.Equal(reference.Entropy, result.Entropy, 1e-5 + (tolerance * (1 + reference.Entropy)));

        (int drawn, double distance) = random.Row.Temperature == 0
            ? (reference.Best, 1) : reference.Draw(Philox.Uniform(random.Row.Seed, random.Row.Step));
        if (random.Row.ForcedToken >= 0)
            Assert.Equal(random.Row.ForcedToken, result.Token);
        else if (distance > tolerance)
            Assert.Equal(drawn, result.Token);
        AssertClose(reference.LogProbs[result.Token], result.LogProb, tolerance);
        for (int j = 0; j < random.Branches.Length; j++)
            AssertClose(reference.BranchLogProb(j, result.Token), outcome.BranchLogProbs[j], 1e-6 + (Math.Abs(outcome.BranchLogProbs[j]) * 5e-7));
        if (random.Counts is not null)
        {
            int[] counts = [.. random.Counts];
            counts[result.Token]++;
            Assert.Equal(counts, outcome.Counts);
        }

        int[] alternatives = reference.Alternatives(random.Row.Alternatives);
        for (int i = 0; i < outcome.Alternatives.Length; i++)
        {
            TokenLogProb actual = outcome.Alternatives[i];
            if (i >= alternatives.Length)
            {
                Assert.Equal((-1, float.NegativeInfinity), (actual.Token, actual.LogProb));
                continue;
            }

            // Tokens nearer to each other than the tolerance may change places; what stands at a rank is still as good.
            AssertClose(reference.LogProbs[alternatives[i]], actual.LogProb, tolerance);
            AssertClose(reference.LogProbs[actual.Token], actual.LogProb, tolerance);
        }
    }

    private static void CompareDistribution(GuideCase random, GuideReference reference, double[] actual)
    {
        Assert.Equal(reference.Kept, Enumerable.Range(0, actual.Length).Where(x => actual[x] > 0));
        double tolerance = Tolerance(random, reference);
        foreach (int x in reference.Kept)
            Assert.Equal(reference.Distribution[x], actual[x], 1e-30 + (reference.Distribution[x] * tolerance * 2));
    }

    private static void AssertClose(double expected, float actual, double tolerance)
    {
        if (double.IsNegativeInfinity(expected))
            Assert.Equal(float.NegativeInfinity, actual);
        else
            Assert.InRange(actual, expected - tolerance, expected + tolerance);
    }
}
