using System.Diagnostics;

namespace Steer.Cli.Tests;

/// <summary>Runs a command as a process of its own again and again, killed at random moments, and compares its files with those of a run that nothing disturbed.</summary>
internal static class KilledRuns
{
    /// <param name="folder">Where both runs go.</param>
    /// <param name="kills">How often.</param>
    /// <param name="arguments">The command line without --out.</param>
    /// <param name="files">Files that must be the same; the first grows with the work.</param>
    public static async Task CompareAsync(string folder, int kills, string[] arguments, string[] files)
    {
        string undisturbed = Path.Combine(folder, "undisturbed"), killed = Path.Combine(folder, "killed");
        var clock = Stopwatch.StartNew();
        Assert.Equal(0, await RunAsync(arguments, undisturbed, killAfter: null));
        double wholeRun = clock.Elapsed.TotalMilliseconds;

        // Moments from before the folder is made to well into the work. A job that ends before its kill counts for none, and shows that the first
        // run, with cold files or a busy machine, was slow: the moments after it come sooner.
        var random = new Random(4711);
        int done = 0, runs = 0, leftLines = 0;
        while (done < kills && runs++ < 10 * kills)
        {
            if (await RunAsync(arguments, killed, TimeSpan.FromMilliseconds(wholeRun * (0.1 + (0.7 * random.NextDouble())))) != 0)
            {
                done++;
                leftLines += new FileInfo(Path.Combine(killed, files[0])) is { Exists: true, Length: > 0 } ? 1 : 0;
                continue;
            }

            AssertSame(undisturbed, killed, files);
            Directory.Delete(killed, recursive: true);
            wholeRun *= 0.85;
        }

        Assert.Equal(kills, done);
        Assert.NotEqual(0, leftLines);
        Assert.Equal(0, await RunAsync(arguments, killed, killAfter: null));
        AssertSame(undisturbed, killed, files);
    }

    private static void AssertSame(string expected, string actual, string[] files)
    {
        foreach (string name in files)
            Assert.Equal(File.ReadAllText(Path.Combine(expected, name)), File.ReadAllText(Path.Combine(actual, name)));
    }

    private static async Task<int> RunAsync(string[] arguments, string folder, TimeSpan? killAfter)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "steer.dll"), .. arguments, "--out", folder])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        using var process = Process.Start(start)!;
        var (errors, output) = (process.StandardError.ReadToEndAsync(), process.StandardOutput.ReadToEndAsync());
        if (killAfter is { } wait && !process.WaitForExit(wait))
            process.Kill();
        await process.WaitForExitAsync();
        // Notes are about what the results are, and come when quiet too.
        Assert.DoesNotContain(CliResult.Lines(await errors), line => !line.StartsWith("steer: note: ", StringComparison.Ordinal));
        await output;
        return process.ExitCode;
    }
}
