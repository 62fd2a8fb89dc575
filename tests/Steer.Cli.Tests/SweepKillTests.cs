namespace Steer.Cli.Tests;

/// <summary>`steer sweep` as a process of its own, killed (SIGKILL) at random moments: the files of a sweep that nothing disturbed, byte for byte.</summary>
public sealed class SweepKillTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("steer-kill-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public Task Five_kills() => KillAsync(kills: 5, perCell: 10);

    [Fact]
    [Trait("Category", "Heavy")]
    public Task Thirty_kills() => KillAsync(kills: 30, perCell: 60);

    private Task KillAsync(int kills, int perCell) => KilledRuns.CompareAsync(
        _folder, kills,
        [
            "sweep", "--task", "astronomy", "--gamma", "0,0.6", "--eta", "0,0.4", "--alpha", "0", "--negatives", "3", "--per-cell", $"{perCell}", "--max-tokens", "10",
            "--half-samples", "2", "--entropy-tolerance", "0.03", "--seed", "5", "--threads", "1", "--quiet",
        ],
        ["sweep.jsonl", "manifest.json", "sweep.csv", "report.html"]);
}
