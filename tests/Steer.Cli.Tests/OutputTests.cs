using System.Text.Json;

namespace Steer.Cli.Tests;

/// <summary>What was written stays written.</summary>
public sealed class OutputTests
{
    [Fact]
    public async Task Results_go_to_a_file_and_replace_what_it_held()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("out.jsonl", new string('x', 100_000));
        string[] line = ["generate", "--prompt", "The", "--max-tokens", "2", "--json", "-q"];
        var direct = await Cli.SucceedAsync(line);
        var filed = await Cli.SucceedAsync([.. line, "--output", file]);
        Assert.Empty(filed.Output);
        Assert.Equal(direct.Output, await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task Results_may_go_to_the_null_device()
    {
        if (OperatingSystem.IsWindows())
            return;
        await Cli.SucceedAsync("generate", "--prompt", "The", "--max-tokens", "2", "--output", "/dev/null");
    }

    [Fact]
    public async Task Logits_that_would_take_the_place_of_a_device_are_refused_before_the_work()
    {
        if (OperatingSystem.IsWindows())
            return;
        Assert.Contains("/dev/null: cannot be written", await Cli.RefuseAsync("score", "A star.", "--logits", "/dev/null"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_that_cannot_begin_leaves_the_file_alone()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("out.jsonl", "earlier\n");
        await Cli.RefuseAsync("generate", "--prompt", "The", "--base", folder["none"], "--output", file);
        Assert.Equal("earlier\n", await File.ReadAllTextAsync(file));
        await Cli.RefuseAsync("generate", "--prompt", "The", "--base", folder["none"], "--output", folder["new.jsonl"]);
        Assert.False(File.Exists(folder["new.jsonl"]));
    }

    [Fact]
    public async Task An_interrupted_run_ends_with_130_and_keeps_what_is_finished()
    {
        using var folder = new TemporaryFolder();
        using var stop = new CancellationTokenSource();
        string file = folder["out.jsonl"];
        var run = Cli.RunAsync(
            new CliInput { Stop = stop.Token },
            "generate", "--prompt", "The star", "-n", "100000", "--max-tokens", "4", "--max-batch", "2", "--json", "--output", file);
        while (!run.IsCompleted && (!File.Exists(file) || new FileInfo(file).Length == 0))
            await Task.Delay(20);
        await stop.CancelAsync();
        var result = await run;
        Assert.Equal(ExitCode.Interrupted, result.Code);
        Assert.Contains("interrupted after", result.Error, StringComparison.Ordinal);
        string written = await File.ReadAllTextAsync(file);
        Assert.EndsWith("}\n", written, StringComparison.Ordinal);
        Assert.All(CliResult.Lines(written), line => JsonDocument.Parse(line).Dispose());
    }

    [Fact]
    public async Task Characters_of_any_script_are_written_as_they_are()
    {
        const string text = "Größe 漢字 😀 \"quoted\" back\\slash <tag> & 'it'";
        var result = await Cli.SucceedAsync("tokenize", text, "--json");
        Assert.Contains("Größe 漢字 😀 \\\"quoted\\\" back\\\\slash <tag> & 'it'", result.Output, StringComparison.Ordinal);
        Assert.Equal(text, result.Json[0].GetProperty("decoded").GetString());
    }
}
