using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Guidance;

/// <summary>Branches and weights of every preset against the table of the method (STEER and the papers named in GuidancePreset).</summary>
public class GuidancePlanTests
{
    private static readonly HashSet<Variant> All = [.. Enum.GetValues<Variant>()];
    private static readonly int[] Prompt = [5, 6, 7];
    private static readonly int[] Negative = [8, 9];

    [Fact]
    public void Steer_weighs_expert_base_and_negative()
    {
        var plan = Plan(new GuidanceParams { Gamma = 0.3f, Eta = 0.2f }, [Negative]);
        Assert.Equal([("expert", 1.3f), ("base", -0.3f), ("negative", -0.2f)], Weights(plan));
        Assert.Equal(Negative, plan.Branches[2].Context);
        Assert.Equal(Variant.Expert, plan.Branches[2].Variant);
        Assert.True(plan.Branches[2].ExemptEos);
        Assert.Equal(0.1f, plan.Alpha);
    }

    [Fact]
    public void Sum_to_one_gives_eta_back_to_the_expert()
    {
        var plan = Plan(new GuidanceParams { Gamma = 0.3f, Eta = 0.2f, SumToOne = true }, [Negative]);
        Assert.Equal(1, plan.Branches.Sum(b => b.Weight), 1e-6);
        Assert.Equal(1.5f, plan.Branches[0].Weight, 1e-6f);
    }

    [Fact]
    public void Branches_of_weight_zero_are_left_out_and_alpha_is_off()
    {
        var plan = Plan(new GuidanceParams { Gamma = 0, Eta = 0 }, [Negative]);
        Assert.Equal([("expert", 1f)], Weights(plan));
        Assert.Equal(0, plan.Alpha);
        Assert.Equal(0.5f, Plan(new GuidanceParams { Alpha = 0.5f }, []).Alpha);
    }

    [Fact]
    public void An_empty_pool_counts_as_eta_zero_and_says_so()
    {
        var plan = Plan(new GuidanceParams { Eta = 0.2f }, []);
        Assert.Single(plan.Branches);
        Assert.Single(plan.Warnings);
    }

    [Fact]
    public void Eta_of_one_warns_unless_weights_sum_to_one()
    {
        Assert.Single(Plan(new GuidanceParams { Eta = 1 }, [Negative]).Warnings);
        Assert.Empty(Plan(new GuidanceParams { Eta = 1, SumToOne = true }, [Negative]).Warnings);
    }

    [Fact]
    public void Several_negatives_share_eta_or_form_a_group()
    {
        int[][] negatives = [[1], [2], [3], [4]];
        var mean = Plan(new GuidanceParams { Eta = 0.2f, Combination = NegativeCombination.Mean }, negatives);
        Assert.All(mean.Branches.Skip(1), b => Assert.Equal((-0.05f, 1), (b.Weight, b.GroupSize)));
        var grouped = Plan(new GuidanceParams { Eta = 0.2f, Combination = NegativeCombination.LogMeanExp }, negatives);
        Assert.Equal([4, 0, 0, 0], grouped.Branches.Skip(1).Select(b => b.GroupSize));
        Assert.All(grouped.Branches.Skip(1), b => Assert.Equal(-0.2f, b.Weight));
    }

    [Fact]
    public void Cfg_without_a_negative_takes_the_last_token_of_the_prompt()
    {
        var plan = Plan(new GuidanceParams { Preset = GuidancePreset.Cfg, Gamma = 2 }, []);
        Assert.Equal([("expert", 2f), ("unconditional", -1f)], Weights(plan));
        Assert.Equal([7], plan.Branches[1].Context);
    }

    [Theory]
    [InlineData(NegativeCombination.Mean, "mean")]
    [InlineData(NegativeCombination.LogMeanExp, "log-mean-exp")]
    public void Cfg_has_room_for_one_negative_and_refuses_more_branches(NegativeCombination combination, string name)
    {
        var cfg = new GuidanceParams { Preset = GuidancePreset.Cfg, Combination = combination };
        Assert.Contains(name, Assert.Throws<SteerException>(() => Plan(cfg, [[1, 2], [3, 4]])).Message, StringComparison.Ordinal);
        Assert.Equal([1, 2], Plan(cfg with { Combination = NegativeCombination.Joined }, [[1, 2]]).Branches[1].Context);
    }

    [Theory]
    [InlineData(GuidancePreset.Contrastive, null, new[] { 1f, -1f }, 0.1f, 0f)]
    [InlineData(GuidancePreset.ContrastiveBeta, null, new[] { 1.5f, -0.5f }, 0.1f, 0f)]
    [InlineData(GuidancePreset.DExperts, null, new[] { 1f, 2f, -2f }, 0f, 0.9f)]
    [InlineData(GuidancePreset.Proxy, null, new[] { 1f, 1f, -1f }, 0f, 0f)]
    [InlineData(GuidancePreset.ContextAware, null, new[] { 1.5f, -0.5f }, 0f, 0f)]
    [InlineData(GuidancePreset.DExperts, 3f, new[] { 1f, 3f, -3f }, 0f, 0.9f)]
    [InlineData(GuidancePreset.Plain, null, new[] { 1f }, 0f, 0f)]
    public void Presets_have_the_weights_of_their_papers(GuidancePreset preset, float? strength, float[] weights, float alpha, float nucleus)
    {
        var contexts = new GuidanceContexts(Prompt, [], [1, 2, 3]);
        var plan = GuidancePlan.Create(new GuidanceParams { Preset = preset, Gamma = strength }, contexts, All);
        Assert.Equal(weights, plan.Branches.Select(b => b.Weight));
        Assert.Equal((alpha, nucleus), (plan.Alpha, plan.NucleusMass));
    }

    [Fact]
    public void A_model_that_is_missing_is_named()
    {
        var contexts = new GuidanceContexts(Prompt, [], null);
        var e = Assert.Throws<SteerException>(() => GuidancePlan.Create(
            new GuidanceParams { Preset = GuidancePreset.DExperts }, contexts, new HashSet<Variant> { Variant.Base, Variant.Expert }));
        Assert.Contains("anti-expert", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(float.NaN, 0f, 0.1f, -1e4f)]
    [InlineData(-1f, 0f, 0.1f, -1e4f)]
    [InlineData(0f, float.PositiveInfinity, 0.1f, -1e4f)]
    [InlineData(0f, 0f, 1f, -1e4f)]
    [InlineData(0f, 0f, float.NaN, -1e4f)]
    [InlineData(0f, 0f, 0.1f, 0f)]
    public void Numbers_out_of_range_are_refused(float gamma, float eta, float alpha, float floor) => Assert.Throws<SteerException>(
        () => new GuidanceParams { Gamma = gamma, Eta = eta, Alpha = alpha, Floor = floor }.Check());

    private static GuidancePlan Plan(GuidanceParams parameters, IReadOnlyList<IReadOnlyList<int>> negatives) =>
        GuidancePlan.Create(parameters, new GuidanceContexts(Prompt, negatives, null), All);

    private static IEnumerable<(string, float)> Weights(GuidancePlan plan) => plan.Branches.Select(b => (b.Name, b.Weight));
}
