using Steer.Kernels.Host;

namespace Steer.Kernels.Tests.Guidance;

/// <summary>What GuideAndSample does where a plain implementation of the formula breaks (method.md, section 4).</summary>
[Collection(DeviceCollection.Name)]
public sealed class GuideEdgeTests(DeviceSet devices)
{
    private const float MinusInfinity = float.NegativeInfinity;

    [Theory]
    [OnEveryDevice(float.NaN)]
    [OnEveryDevice(float.PositiveInfinity)]
    public void A_logit_that_is_no_number_makes_the_step_invalid(string device, float bad)
    {
        foreach (int at in new[] { 0, 8, 36 })
        {
            for (int branch = 0; branch < 2; branch++)
            {
                float[][] logits = [Ramp(37), Ramp(37)];
                logits[branch][at] = bad;
                Invalid(device, new GuideCase { Logits = logits, Branches = GuideCase.Weights(1.2f, -0.2f), Row = GuideCase.Neutral }, 0);
            }
        }
    }

    [Theory]
    [OnEveryDevice]
    public void A_branch_without_a_finite_logit_makes_the_step_invalid(string device)
    {
        float[] nothing = new float[37];
        Array.Fill(nothing, MinusInfinity);
        Invalid(device, GuideCase.Plain(nothing), 0);
        Invalid(device, new GuideCase { Logits = [Ramp(37), nothing], Branches = GuideCase.Weights(1.2f, -0.2f), Row = GuideCase.Neutral }, 0);
    }

    [Theory]
    [OnEveryDevice]
    public void Bans_leave_the_lowest_token_that_is_allowed_but_impossible(string device)
    {
        // All are banned; then all but token 5, which the reference gives no probability.
        float[] logits = Ramp(37);
        logits[5] = MinusInfinity;
        TokenBias[] all = [.. Enumerable.Range(0, 37).Select(Ban)];
        Invalid(device, GuideCase.Plain(logits) with { Biases = all }, 0);
        Invalid(device, GuideCase.Plain(logits) with { Biases = [.. all.Where(b => b.Token != 5)] }, 5);
        Invalid(device, GuideCase.Plain(logits, GuideCase.Neutral with { ForcedToken = 3 }) with { Biases = all }, 3);
    }

    [Theory]
    [OnEveryDevice]
    public void What_a_grammar_refuses_is_banned_before_the_mask(string device)
    {
        // Two tokens are allowed, and alpha would keep neither beside the best; a third is allowed and banned by its bias.
        float[] logits = Ramp(77);
        logits[7] = 50;
        var allowed = new bool[77];
        allowed[33] = allowed[64] = allowed[76] = true;
        GuideCase restricted = GuideCase.Plain(logits, GuideCase.Neutral with { Alpha = 1e-6f, Temperature = 0, Alternatives = 3 })
            with { Allowed = allowed, Biases = [Ban(76)] };
        GuideOutcome[] outcomes = GuideRunner.Run(devices[device], restricted, restricted with { Allowed = null }, restricted);
        Assert.Equal([64, 7, 64], outcomes.Select(o => o.Result.Token));
        Assert.Equal([2, 1, 2], outcomes.Select(o => o.Result.MaskSize));
        Assert.Equal([64, 33, -1], outcomes[0].Alternatives.Select(a => a.Token));
        Assert.Equal(outcomes[0].Result, outcomes[2].Result);

        // Log-probabilities of branches are still those of the whole vocabulary.
        Assert.InRange(outcomes[0].BranchLogProbs[0], logits[64] - 50.01f, logits[64] - 49.99f);

        allowed[33] = allowed[64] = false;
        Invalid(device, restricted with { Row = restricted.Row with { Alternatives = 0 } }, 0);
    }

    [Theory]
    [OnEveryDevice]
    public void Bans_come_before_the_mask(string device)
    {
        // The best token is far ahead: alpha would leave it alone, were it not banned.
        float[] logits = Ramp(40);
        logits[7] = 50;
        GuideCase banned = GuideCase.Plain(logits, GuideCase.Neutral with { Alpha = 0.5f, Alternatives = 40 }) with { Biases = [Ban(7)] };
        GuideOutcome outcome = GuideRunner.Run(devices[device], banned)[0];
        // Neighbours are 0.1 apart and log 0.5 is -0.69: seven stand.
        Assert.Equal(7, outcome.Result.MaskSize);
        Assert.Equal([39, 38, 37, 36, 35, 34, 33], outcome.Alternatives.Take(7).Select(a => a.Token));
    }

    [Theory]
    [OnEveryDevice]
    public void Minus_infinity_in_several_branches_is_no_NaN(string device)
    {
        float[] expert = Ramp(20), negative = Ramp(20);
        (expert[3], negative[3]) = (MinusInfinity, MinusInfinity);
        negative[4] = MinusInfinity;
        // Token 4 gets -w * floor: with so low a floor it takes all.
        var guided = new GuideCase
        {
            Logits = [expert, negative], Branches = GuideCase.Weights(1.2f, -0.2f), Row = GuideCase.Neutral with { Floor = -100, Alternatives = 20 },
        };
        GuideOutcome outcome = GuideRunner.Run(devices[device], guided)[0];
        Assert.Equal((0, 19, 4), (outcome.Result.Invalid, outcome.Result.MaskSize, outcome.Result.Token));
        Assert.Equal(MinusInfinity, outcome.BranchLogProbs[1]);
        Assert.DoesNotContain(outcome.Alternatives, a => float.IsNaN(a.LogProb) || a.Token == 3);
    }

    [Theory]
    [OnEveryDevice]
    public void A_forced_token_wins_over_the_mask_and_is_counted(string device)
    {
        float[] logits = Ramp(40);
        GuideCase forced = GuideCase.Plain(logits, GuideCase.Neutral with { Alpha = 0.5f, ForcedToken = 2 }) with { Counts = new int[40] };
        GuideOutcome outcome = GuideRunner.Run(devices[device], forced)[0];
        Assert.Equal((0, 2, MinusInfinity), (outcome.Result.Invalid, outcome.Result.Token, outcome.Result.LogProb));
        Assert.Equal(1, outcome.Counts![2]);
        Assert.Equal(1, outcome.Counts.Sum());
        Assert.True(float.IsFinite(outcome.BranchLogProbs[0]));
    }

    [Theory]
    [OnEveryDevice]
    public void Greedy_takes_the_lowest_id_of_equals_and_tells_apart_the_nearest_logits(string device)
    {
        float[] logits = new float[1000];
        logits[300] = logits[700] = 3;
        GuideRow greedy = GuideCase.Neutral with { Temperature = 0 };
        Assert.Equal(300, GuideRunner.Run(devices[device], GuideCase.Plain(logits, greedy))[0].Result.Token);
        // One unit in the last place; their log-probabilities in float32 would be equal.
        logits[700] = MathF.BitIncrement(3);
        Assert.Equal(700, GuideRunner.Run(devices[device], GuideCase.Plain(logits, greedy))[0].Result.Token);
    }

    [Theory]
    [OnEveryDevice]
    public void Every_truncation_keeps_a_token(string device)
    {
        RowChange[] extremes =
        [
            (ref GuideRow row) => row.TopK = 1,
            (ref GuideRow row) => row.TopP = 1e-9f,
            (ref GuideRow row) => row.MinP = 1,
            (ref GuideRow row) => row.TypicalP = 1e-9f,
            (ref GuideRow row) => row.EpsilonCutoff = 1,
            (ref GuideRow row) => row.EtaCutoff = 1,
            (ref GuideRow row) => row.TopNSigma = 1e-9f,
            (ref GuideRow row) => row.Alpha = 0.9999f,
            (ref GuideRow row) => row.NucleusMass = 1e-9f,
            (ref GuideRow row) => row.Temperature = 1e-30f,
        ];
        foreach (RowChange extreme in extremes)
        {
            GuideResult result = GuideRunner.Run(devices[device], GuideCase.Plain(Ramp(100)).With(extreme))[0].Result;
            Assert.Equal((0, true), (result.Invalid, result.Kept >= 1));
        }
    }

    [Theory]
    [OnEveryDevice]
    public void Top_n_sigma_takes_the_deviation_of_the_population(string device)
    {
        // A ramp of 100 steps of 0.1 has the deviation 0.1 sqrt((100^2 - 1) / 12) = 2.887 (2.901 were it a sample): 29 tokens are that near.
        GuideCase ramp = GuideCase.Plain(Ramp(100)).With((ref GuideRow row) => row.TopNSigma = 1);
        Assert.Equal(29, GuideRunner.Run(devices[device], ramp)[0].Result.Kept);
    }

    [Theory]
    [OnEveryDevice]
    public void A_group_of_equal_branches_is_one_branch(string device)
    {
        // Floor and repetition penalty see the values themselves, not only their differences.
        float[] expert = Ramp(50), negative = [.. Ramp(50).Reverse()];
        int[] counts = [.. Enumerable.Range(0, 50).Select(x => x % 2)];
        GuideRow row = GuideCase.Neutral with { Floor = -4, RepetitionPenalty = 1.5f, Alternatives = 50, Step = 3 };
        var single = new GuideCase { Logits = [expert, negative], Branches = GuideCase.Weights(1.4f, -0.4f), Row = row, Counts = counts };
        GuideCase grouped = single with
        {
            Logits = [expert, negative, negative, negative],
            Branches =
            [
                new GuideBranch { Weight = 1.4f, GroupSize = 1 }, new GuideBranch { Weight = -0.4f, GroupSize = 3 },
                new GuideBranch { Weight = -0.4f }, new GuideBranch { Weight = -0.4f },
            ],
        };
        GuideOutcome one = GuideRunner.Run(devices[device], single)[0], three = GuideRunner.Run(devices[device], grouped)[0];
        Assert.Equal(one.Result.Token, three.Result.Token);
        // The mean takes a few more roundings of numbers under 8.
        Assert.Equal(one.Result.Entropy, three.Result.Entropy, 5e-6);
        for (int i = 0; i < 50; i++)
            Assert.Equal(one.Alternatives[i].LogProb, three.Alternatives[i].LogProb, 5e-6);
    }

    [Theory]
    [OnEveryDevice]
    public void Equal_logits_stand_or_fall_together_but_for_a_mass(string device)
    {
        float[] flat = new float[64];
        int Kept(RowChange change) => GuideRunner.Run(devices[device], GuideCase.Plain(flat).With(change))[0].Result.Kept;
        Assert.Equal(64, Kept((ref GuideRow row) => row.TopK = 5));
        Assert.Equal(64, Kept((ref GuideRow row) => row.TypicalP = 0.25f));
        Assert.Equal(64, Kept((ref GuideRow row) => row.TopNSigma = 1));
        // A quarter of the mass is 16 of 64 tokens.
        Assert.Equal(16, Kept((ref GuideRow row) => row.TopP = 0.25f));
        double[] distribution = GuideRunner.Distribution(devices[device], GuideCase.Plain(flat).With((ref GuideRow row) => row.TopP = 0.25f));
        Assert.All(distribution.Take(16), p => Assert.Equal(1 / 16.0, p, 1e-7));
    }

    [Theory]
    [OnEveryDevice]
    public void A_score_below_what_float32_holds_is_an_impossible_token(string device)
    {
        // The best token keeps a score of exactly 0: nothing is scaled before the draw.
        float[] logits = [.. Ramp(40).Select(x => x - 10)];
        GuideRow row = GuideCase.Neutral with { RepetitionPenalty = 1e38f, TypicalP = 0.9f };
        int[] counts = [.. Enumerable.Range(0, 40).Select(x => x < 20 ? GuideBatch.PromptFlag : 0)];
        GuideResult penalised = GuideRunner.Run(devices[device], GuideCase.Plain(logits, row) with { Counts = counts })[0].Result;
        Assert.Equal((0, true, true), (penalised.Invalid, penalised.Token is >= 20 and < 40, penalised.Entropy is > 0 and < 4));

        float[] other = [.. logits];
        other[3] = MinusInfinity;
        var floored = new GuideCase
        {
            Logits = [logits, other], Branches = GuideCase.Weights(0.5f, 2), Row = GuideCase.Neutral with { Floor = -3e38f, TypicalP = 0.9f },
        };
        GuideResult result = GuideRunner.Run(devices[device], floored)[0].Result;
        Assert.Equal((0, true, true), (result.Invalid, result.Token is >= 0 and < 40 and not 3, result.Entropy is > 0 and < 4));
    }

    [Fact]
    public void The_host_refuses_rows_that_point_outside_their_batch()
    {
        using var device = new HostDevice();
        RowChange[] faults =
        [
            (ref GuideRow row) => row.Reference = 1,
            (ref GuideRow row) => row.ForcedToken = 10,
            (ref GuideRow row) => row.Reference = -1,
        ];
        foreach (RowChange fault in faults)
            Assert.Throws<ArgumentException>(() => GuideRunner.Run(device, GuideCase.Plain(Ramp(10)).With(fault)));
        GuideCase plain = GuideCase.Plain(Ramp(10));
        Assert.Throws<ArgumentException>(() => GuideRunner.Run(device, plain with { Biases = [Ban(10)] }));
        Assert.Throws<ArgumentException>(() => GuideRunner.Run(device, plain with { Branches = [new GuideBranch { Weight = 1, GroupSize = 2 }] }));
    }

    private void Invalid(string device, GuideCase broken, int token)
    {
        GuideCase counted = broken with { Counts = new int[broken.VocabSize], Row = broken.Row with { Alternatives = 2 } };
        // A good sequence behind it is not harmed.
        GuideOutcome[] outcomes = GuideRunner.Run(devices[device], counted, GuideCase.Plain(Ramp(broken.VocabSize)));
        Assert.Equal((1, token, 0), (outcomes[0].Result.Invalid, outcomes[0].Result.Token, outcomes[0].Result.Kept));
        Assert.All(outcomes[0].Alternatives, a => Assert.Equal(-1, a.Token));
        Assert.All(outcomes[0].Counts!, count => Assert.Equal(0, count));
        Assert.Equal((0, broken.VocabSize), (outcomes[1].Result.Invalid, outcomes[1].Result.Kept));
    }

    // 0, 0.1, 0.2, ...
    private static float[] Ramp(int vocabSize) => [.. Enumerable.Range(0, vocabSize).Select(x => x * 0.1f)];

    private static TokenBias Ban(int token) => new() { Token = token, Bias = MinusInfinity };
}
