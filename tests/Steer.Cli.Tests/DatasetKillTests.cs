using System.Diagnostics;

namespace Steer.Cli.Tests;

/// <summary>`steer dataset` as a process of its own, killed (SIGKILL) at random moments: the files of a job that nothing disturbed, byte for byte.</summary>
public sealed class DatasetKillTests : IDisposable
{
    private static readonly string[] Files = ["manifest.json", "examples.jsonl", "rejected.jsonl"];

    private readonly string _folder = Directory.CreateTempSubdirectory("steer-kill-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public Task Ten_kills() => KillAsync(kills: 10, count: 36);

    [Fact]
    [Trait("Category", "Heavy")]
    public Task Fifty_kills() => KillAsync(kills: 50, count: 240);

    private async Task KillAsync(int kills, int count)
    {
        string undisturbed = Path.Combine(_folder, "undisturbed"), killed = Path.Combine(_folder, "killed");
        var clock = Stopwatch.StartNew();
        Assert.Equal(0, await RunAsync(undisturbed, count, killAfter: null));
        double wholeRun = clock.Elapsed.TotalMilliseconds;

        // Moments from before the folder is made to well into the work. A job that ends before its kill counts for none, and shows that the first
        // run, with cold files or a busy machine, was slow: the moments after it come sooner.
        var random = new Random(4711);
        int done = 0, runs = 0, leftLines = 0;
        while (done < kills && runs++ < 10 * kills)
        {
            if (await RunAsync(killed, count, TimeSpan.FromMilliseconds(wholeRun * (0.1 + (0.7 * random.NextDouble())))) != 0)
            {
                done++;
                leftLines += File.Exists(Path.Combine(killed, Files[1])) && new FileInfo(Path.Combine(killed, Files[1])).Length > 0 ? 1 : 0;
                continue;
            }

            AssertSame(undisturbed, killed);
            Directory.Delete(killed, recursive: true);
            wholeRun *= 0.85;
        }

        Assert.Equal(kills, done);
        Assert.NotEqual(0, leftLines);
        Assert.Equal(0, await RunAsync(killed, count, killAfter: null));
        AssertSame(undisturbed, killed);
    }

    private static void AssertSame(string expected, string actual)
    {
        foreach (string name in Files)
            Assert.Equal(File.ReadAllText(Path.Combine(expected, name)), File.ReadAllText(Path.Combine(actual, name)));
    }

    private static async Task<int> RunAsync(string folder, int count, TimeSpan? killAfter)
    {
        // The bound on characters refuses some texts, so that both files grow.
        string[] arguments =
        [
            Path.Combine(AppContext.BaseDirectory, "steer.dll"), "dataset", "--task", "astronomy", "--count", $"{count}", "--round", "12", "--max-tokens", "12",
            "--max-chars", "60", "--allow-unfinished", "--seed", "5", "--threads", "1", "--quiet", "--out", folder,
        ];
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments) { RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        if (killAfter is { } wait && !process.WaitForExit(wait))
            process.Kill();
        await process.WaitForExitAsync();
        Assert.Equal("", await errors);
        return process.ExitCode;
    }
}
