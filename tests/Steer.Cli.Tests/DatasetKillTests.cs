namespace Steer.Cli.Tests;

/// <summary>`steer dataset` as a process of its own, killed (SIGKILL) at random moments: the files of a job that nothing disturbed, byte for byte.</summary>
public sealed class DatasetKillTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("steer-kill-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public Task Ten_kills() => KillAsync(kills: 10, count: 36);

    [Fact]
    [Trait("Category", "Heavy")]
    public Task Fifty_kills() => KillAsync(kills: 50, count: 240);

    // The bound on characters refuses some texts, so that both files grow.
    private Task KillAsync(int kills, int count) => KilledRuns.CompareAsync(
        _folder, kills,
        [
            "dataset", "--task", "astronomy", "--count", $"{count}", "--round", "12", "--max-tokens", "12", "--max-chars", "60", "--allow-unfinished",
            "--seed", "5", "--threads", "1", "--quiet",
        ],
        ["examples.jsonl", "manifest.json", "rejected.jsonl"]);
}
