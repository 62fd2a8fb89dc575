using System.Text.Json;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Steer.Runtime.Tests.Checkpoints;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>Jobs whose examples are of several kinds: shares, pools, experts, and the embedded task that has them.</summary>
public sealed class LabelTests
{
    private static readonly DatasetJobConfig Config = new()
    {
        Prompt = "p",
        Count = 10_000,
        Labels = [new("a", "make a", 5), new("b", "make b", 3), new("c", "make c", 2)],
    };

    [Fact]
    public void Shares_hold_for_every_stretch_of_items_and_every_part_of_them()
    {
        // Multiples of the golden ratio leave a stretch of n items off by the log of n or so; sweeps and shards take every second, third ...
        foreach (int step in new[] { 1, 2, 3, 5, 8, 16 })
        {
            foreach (int start in new[] { 0, 1, 777 })
            {
                string[] names = [.. Enumerable.Range(0, 600).Select(i => Config.LabelOf(start + (i * step))!.Name)];
                Assert.InRange(names.Count(n => n == "a"), 300 - 12, 300 + 12);
                Assert.InRange(names.Count(n => n == "b"), 180 - 12, 180 + 12);
                Assert.InRange(names.Count(n => n == "c"), 120 - 12, 120 + 12);
            }
        }
    }

    [Fact]
    public void A_label_has_its_own_pool_where_real_examples_carry_its_name()
    {
        // Label a has two real examples; b and c share the one that carries none, and what is accepted of both.
        var sources = new DatasetSources(["x", "y", "z", "other"], new Dictionary<string, string>(), "cpu", null) { RealLabels = ["a", null, "a", "unknown"] };
        var pools = new LabelPools(Config, sources, embed: null);
        int Item(string name, int from = 0) => Enumerable.Range(from, 100).First(i => Config.LabelOf(i)!.Name == name);
        int a = Item("a"), b = Item("b"), c = Item("c");
        string[] Names(int item) => [.. Enumerable.Range(0, pools.Of(item).Count).Select(i => pools.NameOf(item, i))];
        Assert.Equal(["real:0", "real:2"], Names(a));
        Assert.Equal(["real:1", "real:3"], Names(b));
        Assert.Equal("z", pools.Of(a)[1]);

        var before = pools.Of(b);
        pools.Add(a, "new a");
        pools.Add(c, "new c");
        Assert.Equal(["real:0", "real:2"], Names(a));
        pools.Freeze();
        Assert.Equal(["real:0", "real:2", $"item:{a}"], Names(a));
        Assert.Equal(["real:1", "real:3", $"item:{c}"], Names(b));
        Assert.Equal(2, before.Count);
    }

    [Fact]
    public void An_item_has_the_prompt_and_the_expert_of_its_label()
    {
        var config = Config with { Labels = [new("a", "make a"), new("b", "make b", Expert: 2)] };
        var planner = new ItemPlanner(config);
        for (int id = 0; id < 20; id++)
        {
            var planned = planner.Plan(new NegativePool([]), 0, new DatasetItem(id, 0));
            Assert.Equal(planned.Label == "a" ? ("make a", 0) : ("make b", 2), (planned.Request.Prompt, planned.Request.Expert));
        }
    }

    /// <summary>Three experts in one batch: each text is that of an engine that has its expert alone, and the bytes are the same for any batch.</summary>
    [Fact]
    public async Task The_embedded_task_makes_each_kind_with_its_own_expert_prompt_and_pool()
    {
        var task = GenerationTask.Load(Path.Combine(GoldenFiles.Weights, "tasks", "topics"));
        Assert.Equal(["hypothesis", "comment", "question"], task.Labels.Select(l => l.Name));
        var real = TextFile.ReadLabelled(task.Real!);
        var config = new DatasetJobConfig
        {
            Prompt = task.Prompt,
            Labels = [.. task.Labels.Select((l, i) => new DatasetLabel(l.Name, l.Prompt, l.Share, i))],
            CompletionPrefix = task.CompletionPrefix,
            Count = 9,
            RoundSize = 5,
            Negatives = 2,
            Guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f },
            Sampling = new SamplingParams { MaxTokens = 8 },
            Quality = new QualityRules { AllowUnfinished = true },
        };
        var sources = new DatasetSources([.. real.Select(r => r.Text)], new Dictionary<string, string>(), "cpu", null) { RealLabels = [.. real.Select(r => r.Label)] };
        using var temporary = new TempFolder();
        string[] wide = await RunAsync(config, sources, Load(task.Labels[0].Expert!, 8, task.Labels[1].Expert!, task.Labels[2].Expert!), temporary.File("wide"));
        string[] narrow = await RunAsync(config, sources, Load(task.Labels[0].Expert!, 1, task.Labels[1].Expert!, task.Labels[2].Expert!), temporary.File("narrow"));
        Assert.Equal(wide, narrow);

        foreach (string line in wide)
        {
            var json = JsonDocument.Parse(line).RootElement;
            int id = json.GetProperty("id").GetInt32();
            var label = config.LabelOf(id)!;
            Assert.Equal(label.Name, json.GetProperty("label").GetString());
            string[] negatives = [.. json.GetProperty("negatives").EnumerateArray().Select(n => n.GetString()!)];
            Assert.Equal(2, negatives.Length);
            foreach (string negative in negatives.Where(n => n.StartsWith("real:", StringComparison.Ordinal)))
                Assert.Equal(label.Name, real[int.Parse(negative.AsSpan(5), System.Globalization.CultureInfo.InvariantCulture)].Label);
            if (negatives.Any(n => n.StartsWith("item:", StringComparison.Ordinal)))
                continue;

            using var alone = Load(task.Labels[label.Expert].Expert!, 1);
            var request = new GenerationRequest
            {
                Prompt = label.Prompt,
                Negatives = [.. negatives.Select(n => real[int.Parse(n.AsSpan(5), System.Globalization.CultureInfo.InvariantCulture)].Text)],
                Guidance = config.Guidance,
                Sampling = config.Sampling,
                Seed = json.GetProperty("seed").GetUInt64(),
            };
            await foreach (var result in alone.GenerateAsync([request]))
                Assert.Equal(result.Text.Trim(), json.GetProperty("text").GetString());
        }
    }

    [Theory]
    [InlineData("""{"prompt": "p", "labels": [{"name": "a"}]}""", "\"labels[0]\" must be an object with a name and a prompt")]
    [InlineData("""{"prompt": "p", "labels": [{"name": "", "prompt": "q"}]}""", "no name or no prompt")]
    [InlineData("""{"prompt": "p", "labels": [null]}""", "no name or no prompt")]
    [InlineData("""{"prompt": "p", "labels": [{"name": "a", "prompt": "q"}, {"name": "a", "prompt": "r"}]}""", "same name")]
    [InlineData("""{"prompt": "p", "real": "a\u0000b"}""", "names a path that is none")]
    [InlineData("""{"prompt": "p", "labels": [{"name": "a", "prompt": "q", "share": 0}]}""", "share of label a is 0")]
    public void Labels_that_make_no_sense_are_refused_with_the_file(string json, string part)
    {
        using var temporary = new TempFolder();
        string path = temporary.File("task.json");
        File.WriteAllText(path, json);
        string message = Assert.Throws<SteerException>(() => GenerationTask.Load(path)).Message;
        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_expert_that_is_not_loaded_is_refused()
    {
        using var engine = Load(Path.Combine(GoldenFiles.Weights, "experts", "astronomy"), 1);
        var request = new GenerationRequest { Prompt = "p", Expert = 1 };
        var error = await Assert.ThrowsAsync<SteerException>(async () => await engine.GenerateAsync([request]).GetAsyncEnumerator().MoveNextAsync());
        Assert.Contains("expert 1", error.Message, StringComparison.Ordinal);
    }

    private static async Task<string[]> RunAsync(DatasetJobConfig config, DatasetSources sources, SteerEngine engine, string folder)
    {
        using (engine)
        {
            using var job = DatasetJob.Open(config, sources, folder);
            await foreach (var _ in job.RunAsync(engine))
            {
            }
        }

        return File.ReadAllLines(Path.Combine(folder, "examples.jsonl"));
    }

    private static SteerEngine Load(string expert, int batch, params string[] more) => SteerEngine.Load(new EngineOptions
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = expert,
        MoreExperts = more,
        MaxBatch = batch,
        Threads = 1,
    });
}
