using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Sweeps;

namespace Steer.Runtime.Tests.Sweeps;

/// <summary>The sweep against itself: the bytes of an undisturbed run, for other batches and threads and after every kind of end. On the embedded pair.</summary>
public sealed class SweepJobTests : IClassFixture<SweepJobTests.Undisturbed>, IDisposable
{
    private static readonly SweepConfig Config = new()
    {
        Prompt = "State one new hypothesis in astronomy.\nHypothesis:",
        CompletionPrefix = " ",
        Cells = new SweepGrid { Gamma = [0, 0.6f], Eta = [0, 0.4f], Alpha = [0, 0.1f], Negatives = [3] }.Cells(),
        PerCell = 10,
        Seed = 7,
        EntropyTolerance = 0.03,
        Sampling = new SamplingParams { MaxTokens = 12 },
    };

    private static readonly DatasetSources Sources = new(
        [.. TextFile.Read(Path.Combine(GoldenFiles.Weights, "tasks", "astronomy", "real.jsonl")).Take(30)],
        new Dictionary<string, string> { ["base"] = "b" }, "cpu", null);

    private readonly Undisturbed _reference;
    private readonly string _folder = Directory.CreateTempSubdirectory("steer-sweep-").FullName;

    public SweepJobTests(Undisturbed reference) => _reference = reference;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Every_cell_has_its_texts_and_its_controls()
    {
        var texts = _reference.Texts;
        Assert.Equal(Config.Cells.Select(c => c.Name), texts.Comparisons.Where(c => c.Asked).Select(c => c.Texts.Cell.Name));
        Assert.All(texts.Measured, t => Assert.Equal(Enumerable.Range(0, Config.PerCell), t.Texts.Select(x => x.Id)));
        var steered = texts.Comparisons.Single(c => c.Texts.Cell.Name == "g0.6 e0.4 a0.1 k3");
        Assert.Equal(("mask a0.1", "g0.6 e0.4 a0.1 k3 sum1"), (steered.MaskAlone?.Cell.Name, steered.SumToOne?.Cell.Name));
        Assert.Equal((true, 0f), (steered.Matched!.Cell.IsPlain, steered.Matched.Cell.Alpha));
        Assert.Equal((true, 0.1f), (steered.MatchedMask!.Cell.IsPlain, steered.MatchedMask.Cell.Alpha));
        var plain = texts.Comparisons.Single(c => c.Texts.Cell.Name == "plain");
        Assert.Equal((null, null, null, null), (plain.Matched, plain.MatchedMask, plain.MaskAlone, plain.SumToOne));
    }

    [Fact]
    public void Controls_have_the_entropy_of_their_cells()
    {
        // The pair's entropies are reached in all cells without the mask; this seed misses none, and the run is the same everywhere.
        var matched = _reference.Texts.Comparisons.Where(c => c.Matched is not null).ToList();
        Assert.True(matched.Count >= 7);
        Assert.All(matched, c => Assert.InRange(c.Matched!.Entropy / c.Texts.Entropy, 1 - Config.EntropyTolerance, 1 + Config.EntropyTolerance));
    }

    [Fact]
    public async Task Cells_differ_by_their_settings_alone()
    {
        var texts = _reference.Texts.Measured;
        Assert.All(texts, t => Assert.Equal(texts[0].Texts.Select(x => x.Seed), t.Texts.Select(x => x.Seed)));
        string alone = Path.Combine(_folder, "alone");
        var cell = Config.Cells[3];
        using var job = SweepJob.Open(Config with { Cells = [cell], Controls = false, MatchEntropy = false }, Sources, alone);
        await job.RunAsync(_reference.Engine);
        Assert.Equal(texts.Single(t => t.Cell == cell).Texts, Assert.Single(job.Texts.Measured).Texts);
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(5, 1)]
    public async Task The_bytes_are_the_same_for_any_batch_and_number_of_threads(int batch, int threads)
    {
        using var engine = Load(batch, threads);
        using (var job = SweepJob.Open(Config, Sources, _folder))
            await job.RunAsync(engine);
        AssertSame();
    }

    /// <summary>What a crash may leave: whole lines, a torn line, zeros where data was to come; in the first stage and while temperatures are searched for.</summary>
    [Theory]
    [InlineData(0, 0)]
    [InlineData(0.1, 0)]
    [InlineData(0.6, 300)]
    [InlineData(0.93, 0)]
    [InlineData(1, 0)]
    public async Task A_sweep_goes_on_from_a_torn_file(double kept, int zeros)
    {
        Copy();
        byte[] whole = File.ReadAllBytes(Lines(_folder));
        File.WriteAllBytes(Lines(_folder), [.. whole[..(int)(kept * whole.Length)], .. new byte[zeros]]);
        using (var job = SweepJob.Open(Config, Sources, _folder))
            await job.RunAsync(_reference.Engine);
        AssertSame();
    }

    [Fact]
    public async Task A_sweep_that_is_cancelled_ends_with_the_same_bytes()
    {
        for (bool done = false; !done;)
        {
            using var job = SweepJob.Open(Config, Sources, _folder);
            using var stop = new CancellationTokenSource(TimeSpan.FromMilliseconds(700));
            try
            {
                await job.RunAsync(_reference.Engine, stop.Token);
                done = true;
            }
            catch (OperationCanceledException)
            {
                Assert.True(stop.IsCancellationRequested);
            }
        }

        AssertSame();
    }

    [Fact]
    public void Other_lines_and_other_sweeps_are_refused()
    {
        Copy();
        string[] lines = File.ReadAllLines(Lines(_folder));
        string third = lines[2];
        foreach (string wrong in new[] { "not json", third.Replace("\"id\":0", "\"id\":5", StringComparison.Ordinal), third.Replace("\"seed\":", "\"seed\":1", StringComparison.Ordinal), "{}" })
        {
            lines[2] = wrong;
            File.WriteAllText(Lines(_folder), string.Join('\n', lines) + "\n");
            Assert.Contains("sweep.jsonl, line 3", Assert.Throws<SteerException>(() => SweepJob.Open(Config, Sources, _folder)).Message, StringComparison.Ordinal);
        }

        var error = Assert.Throws<SteerException>(() => SweepJob.Open(Config with { PerCell = 11 }, Sources, _folder));
        Assert.Contains("config.per_cell (10 there, 11 now)", error.Message, StringComparison.Ordinal);
    }

    private static string Lines(string folder) => Path.Combine(folder, SweepJob.TextsName);

    private static SteerEngine Load(int batch, int threads) => SteerEngine.Load(new EngineOptions
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
        MaxBatch = batch,
        Threads = threads,
    });

    private void Copy()
    {
        foreach (string name in new[] { "manifest.json", SweepJob.TextsName })
            File.Copy(Path.Combine(_reference.Folder, name), Path.Combine(_folder, name));
    }

    private void AssertSame() => Assert.Equal(File.ReadAllText(Lines(_reference.Folder)), File.ReadAllText(Lines(_folder)));

    public sealed class Undisturbed : IAsyncLifetime
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("steer-sweep-").FullName;

        public SteerEngine Engine { get; } = Load(batch: 32, threads: 0);

        public SweepTexts Texts { get; private set; } = null!;

        public async Task InitializeAsync()
        {
            using var job = SweepJob.Open(Config, Sources, Folder);
            await job.RunAsync(Engine);
            Texts = job.Texts;
        }

        public Task DisposeAsync()
        {
            Engine.Dispose();
            Directory.Delete(Folder, recursive: true);
            return Task.CompletedTask;
        }
    }
}
