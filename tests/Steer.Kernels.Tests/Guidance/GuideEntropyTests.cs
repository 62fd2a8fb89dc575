namespace Steer.Kernels.Tests.Guidance;

/// <summary>Temperatures that are solved for: what entropy they give, and what they are where none can give it.</summary>
[Collection(DeviceCollection.Name)]
public sealed class GuideEntropyTests(DeviceSet devices)
{
    // The search stops within 1e-6 (1 + target), and float32 sums of so few numbers are good to 1e-6 of the entropy.
    private const double Tolerance = 5e-6;

    [Theory]
    [OnEveryDevice]
    public void A_guided_distribution_gets_the_entropy_of_the_reference(string device)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            GuideCase guided = Guided(seed);
            GuideResult result = Run(device, guided.With((ref GuideRow row) => row.TargetEntropy = GuideRow.ReferenceEntropy));
            // Without a mask, the expert alone.
            Assert.Equal(new GuideReference(GuideCase.Plain(guided.Logits[0])).Entropy, result.Entropy, Tolerance);
            Assert.NotEqual(1, result.Temperature, 0.01);
        }
    }

    [Theory]
    [OnEveryDevice(0.05f)]
    [OnEveryDevice(1f)]
    [OnEveryDevice(3f)]
    [OnEveryDevice(5.4f)]
    public void A_number_of_nats_is_reached(string device, float nats)
    {
        // 300 tokens have up to 5.7 nats.
        for (int seed = 0; seed < 5; seed++)
            Assert.Equal(nats, Run(device, Guided(seed).With((ref GuideRow row) => row.TargetEntropy = nats)).Entropy, Tolerance);
    }

    [Theory]
    [OnEveryDevice]
    public void Plain_sampling_keeps_every_bit(string device)
    {
        for (int seed = 0; seed < 20; seed++)
        {
            // With a mask and without one: both entropies are those of the tokens in the mask.
            GuideCase plain = GuideCase.Plain(Guided(seed).Logits[0], GuideCase.Neutral with { Alpha = seed % 2 * 0.05f, Seed = 3, Step = seed, TopP = 0.9f });
            Assert.Equal(Run(device, plain), Run(device, plain.With((ref GuideRow row) => row.TargetEntropy = GuideRow.ReferenceEntropy)));
        }
    }

    [Theory]
    [OnEveryDevice]
    public void A_target_out_of_reach_gets_the_nearest(string device)
    {
        // Two best tokens of four: from log 2 to log 4, whatever is asked for.
        GuideCase tied = GuideCase.Plain([2, 2, 1, 0]);
        Assert.Equal(Math.Log(2), Run(device, tied.With((ref GuideRow row) => row.TargetEntropy = 0.1f)).Entropy, 1e-6);
        Assert.Equal(Math.Log(4), Run(device, tied.With((ref GuideRow row) => row.TargetEntropy = 9)).Entropy, 1e-6);

        // One token in the mask has no entropy, and needs no temperature.
        GuideResult alone = Run(device, GuideCase.Plain([9, 2, 1, 0], GuideCase.Neutral with { Alpha = 0.5f, TargetEntropy = GuideRow.ReferenceEntropy }));
        Assert.Equal((0, 1f, 0f, 1), (alone.Token, alone.Temperature, alone.Entropy, alone.Kept));

        // An expert that is certain: the guided distribution becomes so too.
        GuideCase certain = new()
        {
            Logits = [[200, 0, 0, 0], [197, 0, 0, 0]], Branches = GuideCase.Weights(1, -1), Row = GuideCase.Neutral with { TargetEntropy = GuideRow.ReferenceEntropy },
        };
        GuideResult sure = Run(device, certain);
        Assert.Equal((0, 0), (sure.Invalid, sure.Token));
        Assert.InRange(sure.Entropy, 0, Tolerance);
    }

    [Theory]
    [OnEveryDevice]
    public void Scores_at_the_floor_are_no_obstacle(string device)
    {
        // A token that the expert likes and the negative finds impossible is ahead by 3000.
        float[] expert = [.. Enumerable.Range(0, 50).Select(x => x * 0.05f)], negative = new float[50];
        negative[7] = float.NegativeInfinity;
        GuideCase far = new()
        {
            Logits = [expert, negative], Branches = GuideCase.Weights(1.3f, -0.3f), Row = GuideCase.Neutral with { TargetEntropy = GuideRow.ReferenceEntropy },
        };
        Assert.Equal(new GuideReference(GuideCase.Plain(expert)).Entropy, Run(device, far).Entropy, Tolerance);
    }

    [Theory]
    [OnEveryDevice]
    public void Penalties_and_biases_come_before_and_truncation_after(string device)
    {
        GuideCase guided = Guided(3) with
        {
            Counts = [.. Enumerable.Range(0, 300).Select(x => x % 3)],
            Biases = [new TokenBias { Token = 4, Bias = 2 }, new TokenBias { Token = 9, Bias = float.NegativeInfinity }],
        };
        GuideCase penalised = guided.With((ref GuideRow row) => (row.FrequencyPenalty, row.RepetitionPenalty, row.TargetEntropy) = (0.7f, 1.3f, 2));
        Assert.Equal(2, Run(device, penalised).Entropy, Tolerance);

        GuideResult cut = Run(device, penalised.With((ref GuideRow row) => row.TopK = 3));
        Assert.Equal((3, Run(device, penalised).Temperature), (cut.Kept, cut.Temperature));
        Assert.InRange(cut.Entropy, 0, 1.1);
    }

    [Theory]
    [OnEveryDevice]
    public void Greedy_stays_greedy(string device)
    {
        GuideCase greedy = Guided(1).With((ref GuideRow row) => row.Temperature = 0);
        Assert.Equal(Run(device, greedy), Run(device, greedy.With((ref GuideRow row) => row.TargetEntropy = 2)));
    }

    private GuideResult Run(string device, GuideCase one) => GuideRunner.Run(devices[device], one)[0].Result;

    private static GuideCase Guided(int seed) => new()
    {
        Logits = [.. Enumerable.Range(0, 3).Select(j => Matrix.Random((3 * seed) + j, 1, 300, 2).Data)],
        Branches = GuideCase.Weights(1.5f, -0.5f, -0.3f),
        Row = GuideCase.Neutral,
    };
}
