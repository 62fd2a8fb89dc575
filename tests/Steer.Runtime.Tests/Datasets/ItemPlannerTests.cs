using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>From job, pool and item to a request.</summary>
public class ItemPlannerTests
{
    private static readonly NegativePool Pool = new([.. Enumerable.Range(0, 50).Select(i => new string('x', i + 1))]);

    private static readonly DatasetJobConfig Config = new()
    {
        Prompt = "p",
        Count = 100,
        Seed = 5,
        Negatives = 4,
        Guidance = new GuidanceParams { Gamma = 0.1f, Eta = 0.2f },
    };

    [Theory]
    [InlineData(10, 0, 4, 3)]
    [InlineData(10, 3, 4, 2)]
    [InlineData(4, 3, 4, 1)]
    [InlineData(int.MaxValue, 0, 2, 1 << 30)]
    public void Shards_have_every_nth_item(int count, int index, int shards, int items)
    {
        var config = new DatasetJobConfig { Prompt = "p", Count = count, Shard = new DatasetShard(index, shards) };
        Assert.Equal(items, config.ItemCount);
    }

    [Fact]
    public void Seeds_differ_between_all_items_and_attempts()
    {
        var seeds = from id in Enumerable.Range(0, 2000) from attempt in Enumerable.Range(0, 10) select ItemPlanner.Seed(5, new DatasetItem(id, attempt));
        Assert.Equal(20_000, seeds.Distinct().Count());
        Assert.Equal(5UL, ItemPlanner.Seed(5, new DatasetItem(0, 0)));
    }

    [Fact]
    public void The_negatives_are_those_of_the_items_seed_and_are_told()
    {
        var planned = new ItemPlanner(Config).Plan(Pool, 3, new DatasetItem(7, 1));
        Assert.Equal(Pool.Draw(planned.Request.Seed, 4), planned.Negatives);
        Assert.Equal(planned.Negatives.Select(i => Pool[i]), planned.Request.Negatives);
        Assert.Equal(3, planned.Round);
    }

    [Fact]
    public void Without_eta_no_negatives_are_drawn() =>
        Assert.Empty(new ItemPlanner(Config with { Guidance = new GuidanceParams { Gamma = 1 } }).Plan(Pool, 0, new DatasetItem(1, 0)).Negatives);

    [Fact]
    public void Items_of_a_group_share_negatives_within_a_round()
    {
        var planner = new ItemPlanner(Config with { NegativeGroup = 8 });
        IReadOnlyList<int> Of(int round, int id) => planner.Plan(Pool, round, new DatasetItem(id, 0)).Negatives;
        Assert.All(Enumerable.Range(8, 8), id => Assert.Equal(Of(2, 8), Of(2, id)));
        Assert.NotEqual(Of(2, 8), Of(2, 16));
        Assert.NotEqual(Of(2, 8), Of(3, 8));
    }

    [Fact]
    public void A_token_budget_drops_whole_examples_from_the_end()
    {
        var item = new DatasetItem(7, 0);
        var all = new ItemPlanner(Config).Plan(Pool, 0, item).Negatives;
        int budget = all.Take(3).Sum(i => Pool[i].Length);
        var kept = new ItemPlanner(Config with { NegativeTokens = budget }, text => text.Length).Plan(Pool, 0, item).Negatives;
        Assert.Equal(all.Take(3), kept);
        kept = new ItemPlanner(Config with { NegativeTokens = budget - 1 }, text => text.Length).Plan(Pool, 0, item).Negatives;
        Assert.Equal(all.Take(2), kept);
    }

    [Fact]
    public void Two_sweeps_go_through_all_pairs()
    {
        var planner = new ItemPlanner(Config with { GammaSweep = [0, 0.5f], EtaSweep = [0.1f, 0.2f, 0.3f] });
        var pairs = Enumerable.Range(0, 7).Select(id => planner.Plan(Pool, 0, new DatasetItem(id, 0)).Request.Guidance).Select(g => (g.Gamma, g.Eta));
        Assert.Equal([(0, 0.1f), (0.5f, 0.1f), (0, 0.2f), (0.5f, 0.2f), (0, 0.3f), (0.5f, 0.3f), (0, 0.1f)], pairs);
    }
}
