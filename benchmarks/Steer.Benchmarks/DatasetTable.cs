using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using Steer.Kernels;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Benchmarks;

/// <summary>What a dataset job adds to the engine: its own time and the slots it keeps busy, duplicates of 10^6 texts, and opening a job of 10^6 lines again.</summary>
internal static class DatasetTable
{
    private const int Lines = 1_000_000;
    private const int Items = 256;
    private const int Repeats = 3;

    private static readonly string[] Words = [.. Enumerable.Range(0, 20_000).Select(w => "word" + w.ToString(CultureInfo.InvariantCulture))];

    /// <param name="part">duplicates, resume or job; null for all.</param>
    public static async Task PrintAsync(string? part)
    {
        if (part is null or "duplicates")
            Duplicates();
        if (part is null or "resume")
            Resume();
        if (part is null or "job")
            await JobAsync().ConfigureAwait(false);
    }

    private static void Duplicates()
    {
        var index = new DuplicateIndex(0.8);
        var time = new Stopwatch();
        int found = 0;
        for (int i = 0; i < Lines; i++)
        {
            string text = Text(i);
            time.Start();
            var fingerprint = DuplicateIndex.Describe(TextWords.Of(text));
            if (index.Find(fingerprint).Index < 0)
                index.Add(fingerprint);
            else
                found++;
            time.Stop();
        }

        if (found != 0 || index.Find(DuplicateIndex.Describe(TextWords.Of(Text(Lines / 2)))) != (Lines / 2, true))
            throw new InvalidOperationException("Different texts are taken for the same, or the same for different ones.");
        Line("duplicates: texts/s", Lines / time.Elapsed.TotalSeconds);
        Line("duplicates: GB, most of the process", Process.GetCurrentProcess().PeakWorkingSet64 / 1e9);
    }

    private static void Resume()
    {
        string folder = Directory.CreateTempSubdirectory("steer-resume-").FullName;
        try
        {
            var config = new DatasetJobConfig { Prompt = "p", Count = Lines + 1 };
            var sources = new DatasetSources([.. Enumerable.Range(Lines, 1000).Select(Text)], new Dictionary<string, string>(), "cpu", null);
            DatasetJob.Open(config, sources, folder).Dispose();
            WriteLines(config, Path.Combine(folder, DatasetFolder.ExamplesName));
            var time = Stopwatch.StartNew();
            using var job = DatasetJob.Open(config, sources, folder);
            Line($"resume: s, {new FileInfo(Path.Combine(folder, DatasetFolder.ExamplesName)).Length / 1e6:n0} MB of lines", time.Elapsed.TotalSeconds);
            if (job.Progress.Accepted != Lines)
                throw new InvalidOperationException("Lines were lost.");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void WriteLines(DatasetJobConfig config, string path)
    {
        using var file = File.Create(path);
        var buffer = new ArrayBufferWriter<byte>();
        string[] negatives = [.. Enumerable.Range(0, config.Negatives).Select(i => $"real:{i}")];
        for (int i = 0; i < Lines; i++)
        {
            var example = new DatasetExample
            {
                Id = i,
                Round = i / config.RoundSize,
                Attempt = 0,
                Text = Text(i),
                TokenIds = [1, 2, 3],
                FinishReason = FinishReason.Stop,
                Seed = ItemPlanner.Seed(config.Seed, new DatasetItem(i, 0)),
                Gamma = 0.3f,
                Eta = 0.2f,
                Negatives = negatives,
                LogProbs = [new("guided", -12.5), new("expert", -12.5), new("base", -20.25), new("negative", -30.125)],
                Perplexity = 3.5,
            };
            DatasetLine.Write(example, tokenIds: false, buffer);
            file.Write(buffer.WrittenSpan);
            buffer.ResetWrittenCount();
        }
    }

    /// <summary>The commonsense task with the engine's default batch: the requests of a round given to the engine alone, and the same round as a job.</summary>
    private static async Task JobAsync()
    {
        var task = GenerationTask.Load(FindTask());
        var config = new DatasetJobConfig
        {
            Prompt = task.Prompt,
            CompletionPrefix = task.CompletionPrefix,
            Count = Items,
            RoundSize = Items,
            MaxAttempts = 1,
            Negatives = task.Negatives,
            Guidance = new GuidanceParams { Gamma = task.Gamma, Eta = task.Eta ?? 0, Alpha = task.Alpha },
            Sampling = new SamplingParams { MaxTokens = task.MaxTokens },
            Quality = new QualityRules { Pattern = task.Pattern },
        };
        var options = new EngineOptions { Base = task.Base!, Expert = task.Expert };
        var sources = DatasetSources.Read(TextFile.Read(task.Real!), [], options);
        double alone = double.MaxValue, whole = double.MaxValue;
        for (int i = 0; i < Repeats; i++)
        {
            alone = Math.Min(alone, await SecondsAsync("engine alone", options, engine => AloneAsync(engine, config, sources)).ConfigureAwait(false));
            whole = Math.Min(whole, await SecondsAsync("as a job", options, engine => AsJobAsync(engine, config, sources)).ConfigureAwait(false));
        }

        Line("job: longer than the engine alone, %, best of each", 100 * (whole - alone) / alone);
    }

    private static async Task<double> SecondsAsync(string name, EngineOptions options, Func<SteerEngine, Task> work)
    {
        // A new engine each time: what the one before keeps in its prefix cache would make the next run cheaper.
        using var engine = SteerEngine.Load(options);
        var begin = Process.GetCurrentProcess().TotalProcessorTime;
        var time = Stopwatch.StartNew();
        await work(engine).ConfigureAwait(false);
        double seconds = time.Elapsed.TotalSeconds;
        Line($"{name}: s", seconds);
        Line($"{name}: s of all processors", (Process.GetCurrentProcess().TotalProcessorTime - begin).TotalSeconds);
        Line($"{name}: slots busy, %", 100.0 * engine.Statistics.GeneratedTokens / (engine.Statistics.Steps * options.MaxBatch));
        return seconds;
    }

    private static async Task AloneAsync(SteerEngine engine, DatasetJobConfig config, DatasetSources sources)
    {
        var planner = new ItemPlanner(config);
        var pool = new NegativePool(sources.Real);
        await foreach (var _ in engine.GenerateAsync(Enumerable.Range(0, Items).Select(i => planner.Plan(pool, 0, new DatasetItem(i, 0)).Request)).ConfigureAwait(false))
        {
        }
    }

    private static async Task AsJobAsync(SteerEngine engine, DatasetJobConfig config, DatasetSources sources)
    {
        string folder = Directory.CreateTempSubdirectory("steer-overhead-").FullName;
        try
        {
            using var job = DatasetJob.Open(config, sources, folder);
            await foreach (var _ in job.RunAsync(engine).ConfigureAwait(false))
            {
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string FindTask()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string task = Path.Combine(folder.FullName, "weights", "tasks", "commonsense");
            if (Directory.Exists(task))
                return task;
        }

        throw new DirectoryNotFoundException("There is no weights/tasks/commonsense above the program: run it from a clone.");
    }

    /// <summary>45 words, drawn by the number of the text.</summary>
    private static string Text(int number) =>
        string.Join(' ', Enumerable.Range(0, 45).Select(w => Words[(int)(Philox.Uniform((ulong)number, w) * Words.Length)]));

    private static void Line(FormattableString name, double value) => Line(FormattableString.Invariant(name), value);

    private static void Line(string name, double value) =>
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-50}{value,10:n2}"));
}
