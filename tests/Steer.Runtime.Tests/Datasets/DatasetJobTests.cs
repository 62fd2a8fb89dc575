using System.Text;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Datasets;

/// <summary>The job against itself: the bytes of an undisturbed run, for other batches and threads and after every kind of end. On the embedded pair.</summary>
public sealed class DatasetJobTests : IClassFixture<DatasetJobTests.Undisturbed>, IDisposable
{
    private static readonly string[] Files = ["examples.jsonl", "rejected.jsonl"];

    // Short texts, and a bound that refuses about a third of them, so that items are tried again over several rounds.
    private static readonly DatasetJobConfig Config = new()
    {
        Prompt = "State one new hypothesis in astronomy.\nHypothesis:",
        CompletionPrefix = " ",
        Count = 20,
        Seed = 7,
        RoundSize = 6,
        MaxAttempts = 4,
        Negatives = 3,
        Guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f },
        Sampling = new SamplingParams { MaxTokens = 10 },
        Quality = new QualityRules { AllowUnfinished = true, MaxChars = 45 },
    };

    private static readonly DatasetSources Sources = new(
        [.. TextFile.Read(Path.Combine(GoldenFiles.Weights, "tasks", "astronomy", "real.jsonl")).Take(30)],
        new Dictionary<string, string> { ["base"] = "b" }, "cpu", null);

    private readonly Undisturbed _reference;
    private readonly string _folder = Directory.CreateTempSubdirectory("steer-job-").FullName;

    public DatasetJobTests(Undisturbed reference) => _reference = reference;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_reference_has_examples_refusals_and_grown_pools()
    {
        var (examples, rejected) = (_reference.Lines(0), _reference.Lines(1));
        Assert.InRange(examples.Length, 15, 20);
        Assert.True(rejected.Length > 3);
        Assert.Contains(examples, l => l.Contains("\"item:", StringComparison.Ordinal));
        Assert.Contains(examples, l => l.Contains("\"attempt\":1", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(1, 2)]
    [InlineData(3, 1)]
    public async Task The_bytes_are_the_same_for_any_batch_and_number_of_threads(int batch, int threads)
    {
        using var engine = Load(batch, threads);
        await RunAsync(_folder, engine);
        AssertSame();
    }

    [Fact]
    public async Task A_job_that_is_cancelled_again_and_again_ends_with_the_same_bytes()
    {
        for (int accepted = 1; !Done(); accepted = (accepted * 3 % 7) + 1)
        {
            int left = accepted;
            using var stop = new CancellationTokenSource();
            using var job = DatasetJob.Open(Config, Sources, _folder);
            try
            {
                await foreach (var _ in job.RunAsync(_reference.Engine, stop.Token))
                {
                    if (--left == 0)
                        stop.Cancel();
                }
            }
            catch (OperationCanceledException)
            {
                Assert.True(stop.IsCancellationRequested);
            }
        }

        AssertSame();
    }

    /// <summary>What a crash may leave: any part of the last group of one file, with none or all of the other's, or zeros where data was to come.</summary>
    [Theory]
    [InlineData(0.35, 0.35, 0)]
    [InlineData(0.5, 1, 0)]
    [InlineData(0.9, 0.9, 700)]
    [InlineData(0, 0, 0)]
    public async Task A_job_goes_on_from_torn_files(double examplesKept, double rejectedKept, int zeros)
    {
        CopyReference();

        // The reference's lines are of several rounds, and a crash loses nothing of a round before: cut where the rounds agree.
        int round = (int)(examplesKept * _reference.LastRound);
        double[] kept = [examplesKept, rejectedKept];
        for (int file = 0; file < 2; file++)
        {
            byte[] whole = File.ReadAllBytes(Path.Combine(_folder, Files[file]));
            int begin = _reference.Start(file, round), end = _reference.Start(file, round + 1);
            int cut = begin + (int)(kept[file] * (end - begin));
            File.WriteAllBytes(Path.Combine(_folder, Files[file]), [.. whole[..cut], .. new byte[zeros]]);
        }

        await RunAsync(_folder, _reference.Engine);
        AssertSame();
    }

    [Fact]
    public void A_changed_line_is_refused_with_its_place()
    {
        CopyReference();
        string path = Path.Combine(_folder, "examples.jsonl");
        string[] lines = File.ReadAllLines(path);
        lines[1] = lines[1].Replace("\"seed\":", "\"seed\":1", StringComparison.Ordinal);
        File.WriteAllText(path, string.Join('\n', lines) + "\n");
        var error = Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, _folder));
        Assert.Contains("examples.jsonl, line 2", error.Message, StringComparison.Ordinal);

        lines[1] = "not json";
        File.WriteAllText(path, string.Join('\n', lines) + "\n");
        error = Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, _folder));
        Assert.Contains("examples.jsonl, line 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_that_is_missing_from_an_earlier_round_is_refused_and_nothing_is_cut()
    {
        CopyReference();
        string path = Path.Combine(_folder, "examples.jsonl");
        string[] lines = File.ReadAllLines(path);
        File.WriteAllText(path, string.Join('\n', lines.Skip(1)) + "\n");
        long length = new FileInfo(path).Length;
        Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, _folder));
        Assert.Equal(length, new FileInfo(path).Length);
    }

    [Fact]
    public void Another_job_is_refused_with_what_differs()
    {
        CopyReference();
        var other = Config with { Count = 21, Guidance = Config.Guidance with { Gamma = 0.4f } };
        var sources = Sources with { Hashes = new Dictionary<string, string> { ["base"] = "c" } };
        string message = Assert.Throws<SteerException>(() => DatasetJob.Open(other, sources, _folder)).Message;
        foreach (string part in new[] { "config.count (20 there, 21 now)", "config.guidance.gamma (0.3 there, 0.4 now)", "hashes.base (\"b\" there, \"c\" now)" })
            Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Equal(3, message.Split(" there, ").Length - 1);
    }

    [Fact]
    public async Task The_folder_of_a_sweep_is_refused()
    {
        CopyReference();
        string manifest = Path.Combine(_folder, "manifest.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("\"config\": {", "\"config\": { \"cells\": [],", StringComparison.Ordinal));
        Assert.Equal($"{_folder}: holds a sweep. Give another folder.", Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, _folder)).Message);
        var options = new ExportOptions { Folder = Path.Combine(_folder, "export") };
        string exported = (await Assert.ThrowsAsync<SteerException>(() => DatasetExport.RunAsync(_folder, options))).Message;
        Assert.Equal($"{_folder}: holds a sweep. Give the folder of a data set.", exported);
    }

    [Fact]
    public void Resume_modes_are_kept()
    {
        string never = Path.Combine(_folder, "new");
        Assert.Contains("no job", Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, never, ResumeMode.Always)).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(never));
        DatasetJob.Open(Config, Sources, never, ResumeMode.Never).Dispose();
        Assert.Contains("already", Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, never, ResumeMode.Never)).Message, StringComparison.Ordinal);
        DatasetJob.Open(Config, Sources, never, ResumeMode.Always).Dispose();
    }

    [Fact]
    public void Progress_is_there_from_the_start_and_tells_what_the_lines_hold()
    {
        using (DatasetJob.Open(Config, Sources, _folder))
            Assert.Equal((Config.Count, 0, false), Shown(DatasetProgress.Read(_folder)));
        File.WriteAllText(Path.Combine(_folder, "progress.json"), """{"count": 20, "accepted": 3, "rejected": null, "done": true}""");
        Assert.Throws<SteerException>(() => DatasetProgress.Read(_folder));

        // The lines decide, whatever the file said.
        foreach (string name in Files)
            File.Copy(Path.Combine(_reference.Folder, name), Path.Combine(_folder, name), overwrite: true);
        using (DatasetJob.Open(Config, Sources, _folder))
        {
            var whole = DatasetProgress.Read(_reference.Folder);
            var mended = DatasetProgress.Read(_folder);
            Assert.Equal(Shown(whole), Shown(mended));
            Assert.Equal(whole.LastTexts, mended.LastTexts);
            Assert.Equal((whole.Diversity, whole.RealDiversity), (mended.Diversity, mended.RealDiversity));
        }

        static (int, int, bool) Shown(DatasetProgress p) => (p.Count, p.Accepted, p.Done);
    }

    [Fact]
    public void A_folder_that_is_a_file_is_refused()
    {
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "x");
        Assert.Contains("is a file", Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, file)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_holder_of_the_folder_is_refused()
    {
        using var first = DatasetJob.Open(Config, Sources, _folder);
        Assert.Contains("another process", Assert.Throws<SteerException>(() => DatasetJob.Open(Config, Sources, _folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_callers_filter_refuses_and_its_word_is_counted()
    {
        using var job = DatasetJob.Open(Config with { Count = 4, MaxAttempts = 2 }, Sources, _folder, hooks: new DatasetHooks { Filter = e => e.Id == 2 ? "third" : null });
        var ids = new List<int>();
        await foreach (var example in job.RunAsync(_reference.Engine))
            ids.Add(example.Id);
        Assert.DoesNotContain(2, ids);
        Assert.InRange(job.Progress.Rejected["third"] + job.Progress.Rejected.GetValueOrDefault(Reasons.TooLong), 1, 8);
        Assert.True(job.Progress.Done);
        Assert.Equal(4, job.Progress.Accepted + job.Progress.GivenUp);
        Assert.Equal(job.Progress.Accepted, DatasetProgress.Read(_folder).Accepted);
    }

    /// <summary>With the caller's embedding, which sees every real and accepted text once in each process; a job that is gone on with ends the same.</summary>
    [Fact]
    public async Task Most_similar_negatives_are_told_by_the_callers_embedding()
    {
        // Texts are as similar as their lengths.
        static float[] Embed(string text) => [MathF.Cos(text.Length * 0.02f), MathF.Sin(text.Length * 0.02f)];
        var config = Config with { Count = 12, NegativeChoice = NegativeChoice.Similar };
        var texts = Sources.Real.Select((text, i) => ($"real:{i}", text)).ToDictionary();
        async Task RunAsync(string folder, int most)
        {
            using var job = DatasetJob.Open(config, Sources, folder, hooks: new DatasetHooks { Embed = Embed });
            await foreach (var example in job.RunAsync(_reference.Engine))
            {
                if (--most == 0)
                    return;
            }
        }

        await RunAsync(Path.Combine(_folder, "whole"), int.MaxValue);
        await RunAsync(Path.Combine(_folder, "parts"), 7);
        await RunAsync(Path.Combine(_folder, "parts"), int.MaxValue);
        foreach (string name in Files)
            Assert.Equal(File.ReadAllText(Path.Combine(_folder, "whole", name)), File.ReadAllText(Path.Combine(_folder, "parts", name)));

        foreach (var line in File.ReadLines(Path.Combine(_folder, "whole", Files[0])).Select(l => System.Text.Json.JsonDocument.Parse(l).RootElement).Where(l => l.GetProperty("round").GetInt32() == 0))
        {
            string[] negatives = [.. line.GetProperty("negatives").EnumerateArray().Select(n => n.GetString()!)];
            int anchor = texts[negatives[0]].Length;
            int[] nearest = [.. texts.Where(t => t.Key != negatives[0]).Select(t => Math.Abs(t.Value.Length - anchor)).Order().Take(2)];
            Assert.Equal(nearest, negatives.Skip(1).Select(n => Math.Abs(texts[n].Length - anchor)).Order());
        }
    }

    [Fact]
    public void An_embedding_of_another_length_is_refused()
    {
        var hooks = new DatasetHooks { Embed = text => new float[1 + (text.Length % 2)] };
        var error = Assert.Throws<SteerException>(() => DatasetJob.Open(Config with { NegativeChoice = NegativeChoice.Similar }, Sources, _folder, hooks: hooks));
        Assert.Contains("The embedding of real:", error.Message, StringComparison.Ordinal);
    }

    private static SteerEngine Load(int batch, int threads) => SteerEngine.Load(new EngineOptions
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
        MaxBatch = batch,
        Threads = threads,
    });

    private static async Task RunAsync(string folder, SteerEngine engine)
    {
        using var job = DatasetJob.Open(Config, Sources, folder);
        await foreach (var _ in job.RunAsync(engine))
        {
        }
    }

    private bool Done()
    {
        using var job = DatasetJob.Open(Config, Sources, _folder);
        return job.Progress.Done;
    }

    private void CopyReference()
    {
        foreach (string name in Files.Append("manifest.json"))
            File.Copy(Path.Combine(_reference.Folder, name), Path.Combine(_folder, name));
    }

    private void AssertSame()
    {
        foreach (string name in Files.Append("manifest.json"))
            Assert.Equal(File.ReadAllText(Path.Combine(_reference.Folder, name)), File.ReadAllText(Path.Combine(_folder, name)));
    }

    /// <summary>A job that ran to its end in one go, and the engine that made it.</summary>
    public sealed class Undisturbed : IAsyncLifetime
    {
        public string Folder { get; } = Directory.CreateTempSubdirectory("steer-reference-").FullName;

        public SteerEngine Engine { get; } = Load(batch: 8, threads: 1);

        public int LastRound { get; private set; }

        public async Task InitializeAsync()
        {
            await RunAsync(Folder, Engine);
            LastRound = Lines(0).Concat(Lines(1)).Max(Round);
        }

        public Task DisposeAsync()
        {
            Engine.Dispose();
            Directory.Delete(Folder, recursive: true);
            return Task.CompletedTask;
        }

        public string[] Lines(int file) => File.ReadAllLines(Path.Combine(Folder, Files[file]));

        /// <summary>Bytes of the lines of earlier rounds.</summary>
        public int Start(int file, int round) => Lines(file).Where(l => Round(l) < round).Sum(l => Encoding.UTF8.GetByteCount(l) + 1);

        private static int Round(string line) => System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("round").GetInt32();
    }
}
