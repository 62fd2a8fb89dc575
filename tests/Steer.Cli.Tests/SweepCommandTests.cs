using System.Text.Json;
using System.Xml.Linq;

namespace Steer.Cli.Tests;

/// <summary>`steer sweep` on the embedded pair.</summary>
public sealed class SweepCommandTests : IDisposable
{
    private static readonly string[] Small =
        ["--task", "astronomy", "--gamma", "0.4", "--eta", "0", "--per-cell", "50", "--max-tokens", "8", "--half-samples", "2", "--entropy-tolerance", "0.05", "--threads", "1", "--seed", "3"];

    private readonly string _folder = Directory.CreateTempSubdirectory("steer-sweep-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_sweep_writes_its_files_and_every_format_says_the_same()
    {
        var table = await Cli.SucceedAsync(["sweep", .. Small, "--out", In("sweep")]);
        Assert.Contains("g0.4 e0 a0.1", table.Output, StringComparison.Ordinal);
        Assert.Contains("texts of 1 cell and controls", table.Error, StringComparison.Ordinal);
        string csv = File.ReadAllText(In("sweep", "sweep.csv")), html = File.ReadAllText(In("sweep", "report.html"));
        string markdown = File.ReadAllText(In("sweep", "sweep.md")), figures = File.ReadAllText(In("sweep", "sweep.json"));
        foreach (var (format, text) in new[] { ("csv", csv), ("html", html), ("markdown", markdown), ("json", figures) })
            Assert.Equal(text, (await Again(format)).Output);
        Assert.Contains("| g0.4 e0 a0.1 |", markdown, StringComparison.Ordinal);

        string[][] lines = [.. CliResult.Lines(csv).Select(l => l.Split(','))];
        Assert.All(lines, l => Assert.Equal(lines[0].Length, l.Length));
        Assert.DoesNotContain("NaN", csv + html, StringComparison.Ordinal);
        XDocument.Parse(html);
        string[] cells = [.. lines.Skip(1).Select(l => l[0])];
        Assert.Equal("g0.4 e0 a0.1", cells[0]);
        Assert.Contains("mask a0.1", cells);
        using var json = JsonDocument.Parse(figures);
        Assert.Equal(cells, json.RootElement.GetProperty("cells").EnumerateArray().Select(c => c.GetProperty("cell").GetString()));
        Assert.Contains(json.RootElement.GetProperty("comparisons").EnumerateArray(), c => c.GetProperty("kind").GetString() == "temperature" && c.GetProperty("differences").GetProperty("mauve").GetProperty("low").ValueKind == JsonValueKind.Number);
    }

    [Fact]
    public async Task A_dry_run_lists_the_cells_and_leaves_nothing()
    {
        var run = await Cli.SucceedAsync("sweep", "--task", "astronomy", "--gamma", "0,0.4", "--eta", "0.2", "--max-tokens", "4", "--dry-run", "--quiet", "--out", In("sweep"));
        Assert.Contains("2: g0 e0.2 a0.1 k10, g0.4 e0.2 a0.1 k10", run.Output, StringComparison.Ordinal);
        Assert.Contains("mask a0.1", run.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(In("sweep")));
    }

    [Theory]
    [InlineData("There is no folder", "--task", "astronomy")]
    [InlineData("There is no task", "--out", "x")]
    [InlineData("--gamma is 'a'", "--task", "astronomy", "--gamma", "a")]
    [InlineData("gamma is -1", "--task", "astronomy", "--gamma=-1,0", "--out", "x")]
    [InlineData("alpha is 1", "--task", "astronomy", "--alpha", "1", "--out", "x")]
    [InlineData("--preset is 'stear'", "--task", "astronomy", "--preset", "stear")]
    [InlineData("no contexts", "--task", "astronomy", "--preset", "context-aware", "--out", "x")]
    [InlineData("at most 1000 values", "--task", "astronomy", "--gamma", "0:1:0.0001")]
    [InlineData("at most 1000 values", "--task", "astronomy", "--gamma", "1:0:0.1")]
    [InlineData("10201 cells", "--task", "astronomy", "--gamma", "0:1:0.01", "--eta", "0:1:0.01", "--out", "x")]
    [InlineData("10,000,000 texts", "--task", "astronomy", "--per-cell", "2000000", "--out", "x")]
    [InlineData("per-cell is 0", "--task", "astronomy", "--per-cell", "0", "--out", "x")]
    [InlineData("no-such.json: cannot be read", "--task", "astronomy", "--cells", "no-such.json", "--out", "x")]
    [InlineData("give one or the other", "--task", "astronomy", "--cells", "no-such.json", "--gamma", "1", "--out", "x")]
    [InlineData("no-such.jsonl: cannot be read", "--task", "astronomy", "--heldout", "no-such.jsonl", "--out", "x")]
    [InlineData("half-samples is 1", "--task", "astronomy", "--half-samples", "1", "--out", "x")]
    public async Task What_cannot_be_done_is_said_in_a_line(string part, params string[] args)
    {
        Assert.Contains(part, await Cli.RefuseAsync(["sweep", .. args]), StringComparison.Ordinal);
        Assert.False(Directory.Exists("x"));
    }

    [Theory]
    [InlineData("(line 1, byte 1)", "")]
    [InlineData("(\"[0]\", line 1, byte 3)", "[5]")]
    [InlineData("holds no cells", "[]")]
    [InlineData("is no list of cells (\"[0].gamma\", line 1, byte", """[{"gamma": "a"}]""")]
    public async Task Lists_of_cells(string part, string content)
    {
        File.WriteAllText(In("cells.json"), content);
        string line = await Cli.RefuseAsync("sweep", "--task", "astronomy", "--cells", In("cells.json"), "--out", In("sweep"));
        Assert.Contains(part, line, StringComparison.Ordinal);
        Assert.DoesNotContain("Steer.Runtime", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Too_few_texts_for_metrics_are_said_before_the_work()
    {
        var run = await Cli.SucceedAsync(["sweep", .. Small.Select(a => a == "50" ? "4" : a), "--no-match", "--no-controls", "--out", In("sweep")]);
        Assert.Contains("metrics need at least 50 texts of a cell", run.Error, StringComparison.Ordinal);
    }

    private Task<CliResult> Again(string format) => Cli.SucceedAsync(["sweep", .. Small, "--quiet", "--format", format, "--out", In("sweep")]);

    private string In(params string[] names) => Path.Combine([_folder, .. names]);
}
