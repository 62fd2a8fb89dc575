using System.Text.Json;

namespace Steer.Cli.Tests;

/// <summary>`steer dataset` and what belongs to it, on the embedded pair.</summary>
public sealed class DatasetCommandTests : IDisposable
{
    private static readonly string[] Small =
        ["--task", "astronomy", "--count", "6", "--round", "4", "--max-tokens", "6", "--allow-unfinished", "--max-chars", "40", "--threads", "1", "--seed", "3"];

    private readonly string _folder = Directory.CreateTempSubdirectory("steer-dataset-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_job_file_says_what_flags_say_and_flags_win_over_it()
    {
        await Cli.SucceedAsync(["dataset", .. Small, "--gamma-sweep", "0:0.4:0.2", "--quiet", "--out", In("flags")]);
        File.WriteAllText(In("job.json"), """
            {"task": "astronomy", "count": 6, "round": 4, "max_tokens": 6, "allow-unfinished": true, "max_chars": 40, "threads": 1, "seed": 99,
             "gamma_sweep": [0, 0.2, 0.4], "quiet": true, "eta": null}
            """);
        await Cli.SucceedAsync("dataset", In("job.json"), "--seed", "3", "--out", In("file"));
        foreach (string name in new[] { "manifest.json", "examples.jsonl", "rejected.jsonl" })
        {
            // The command is told as it was given: the sweep as a range here, as a list there.
            string[] Content(string job) => [.. File.ReadLines(In(job, name)).Where(l => !l.StartsWith("  \"command\":", StringComparison.Ordinal))];
            Assert.Equal(Content("flags"), Content("file"));
        }

        Assert.Contains("\"command\": \"steer dataset --count 6 --round 4 --task astronomy --gamma-sweep ", File.ReadAllText(In("flags", "manifest.json")), StringComparison.Ordinal);
        var gammas = Lines("file").Select(l => (l.GetProperty("id").GetInt32(), l.GetProperty("gamma").GetSingle()));
        Assert.All(gammas, g => Assert.Equal(0.2f * (g.Item1 % 3), g.Item2));
    }

    [Fact]
    public async Task A_run_ends_with_a_box_and_a_complete_job_is_left_alone()
    {
        var run = await Cli.SucceedAsync(["dataset", .. Small, "--out", In("job")]);
        Assert.Empty(run.Output);
        Assert.Contains("6 accepted", run.Error, StringComparison.Ordinal);
        Assert.Contains("nothing is left to do", (await Cli.SucceedAsync(["dataset", .. Small, "--out", In("job")])).Error, StringComparison.Ordinal);
        Assert.Contains("done, 6 accepted", (await Cli.SucceedAsync("dataset", "watch", In("job"))).Output, StringComparison.Ordinal);
        string refused = await Cli.RefuseAsync(["dataset", .. Small, "--temperature", "0.5", "--out", In("job")]);
        Assert.Contains("config.sampling.temperature (1 there, 0.5 now)", refused, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"text\"")]
    [InlineData("\"finish_reason\"")]
    public async Task A_line_without_a_text_is_not_exported(string member)
    {
        await Cli.SucceedAsync(["dataset", .. Small, "--quiet", "--out", In("job")]);
        string file = In("job", "examples.jsonl"), line = File.ReadAllText(file);
        int at = line.IndexOf($"{member}:", StringComparison.Ordinal) + member.Length + 1;
        File.WriteAllText(file, $"{line[..at]}null{line[line.IndexOf(",\"", at, StringComparison.Ordinal)..]}");
        string refused = await Cli.RefuseAsync("dataset", "export", In("job"), "--format", "parquet", "--out", In("hub"));
        Assert.StartsWith($"steer: {file}, line 1: is no line of a job.", refused, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"name\": null, \"prompt\": \"a\"}")]
    public async Task A_manifest_with_a_label_that_is_none_is_refused(string label)
    {
        await Cli.SucceedAsync(["dataset", .. Small, "--quiet", "--out", In("job")]);
        string manifest = In("job", "manifest.json"), text = File.ReadAllText(manifest);
        File.WriteAllText(manifest, text.Replace("\"labels\": []", $"\"labels\": [{label}]", StringComparison.Ordinal));
        string line = await Cli.RefuseAsync("dataset", "export", In("job"), "--format", "csv", "--out", In("csv"));
        Assert.StartsWith($"steer: {In("job")}: is no manifest (", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Structured_texts_are_made_by_the_pattern_that_others_are_refused_by()
    {
        string[] job =
        [
            "dataset", "--task", "astronomy", "--count", "4", "--pattern", "^(?<first>[A-Z][a-z]+) [a-z ]{5,30}\\.$", "--max-attempts", "1",
            "--threads", "1", "--quiet",
        ];
        Assert.Contains("made nothing", await Cli.RefuseAsync([.. job, "--out", In("free")]), StringComparison.Ordinal);
        Assert.Contains("\"pattern\"", File.ReadAllText(In("free", "rejected.jsonl")), StringComparison.Ordinal);
        await Cli.SucceedAsync([.. job, "--structured", "--out", In("structured")]);
        Assert.Empty(File.ReadAllText(In("structured", "rejected.jsonl")));
        Assert.All(Lines("structured"), l => Assert.Matches("^[A-Z][a-z]+$", l.GetProperty("fields").GetProperty("first").GetString()!));
        Assert.Equal(4, Lines("structured").Count());

        string refused = await Cli.RefuseAsync("dataset", "--task", "astronomy", "--count", "4", "--structured", "--out", In("none"));
        Assert.Contains("--structured: there is no pattern and no schema", refused, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_made_nothing_gives_its_folder_to_a_mended_one()
    {
        string[] job = ["dataset", "--task", "astronomy", "--count", "2", "--structured", "--threads", "1", "--quiet", "--out", In("job")];
        Assert.Contains("word boundary", await Cli.RefuseAsync([.. job, "--pattern", @"\bword\b"]), StringComparison.Ordinal);
        string[] mended = [.. job, "--pattern", "[a-z]{3,8}"];
        Assert.Contains("holds another job", await Cli.RefuseAsync([.. mended, "--resume", "always"]), StringComparison.Ordinal);
        await Cli.SucceedAsync(mended);
        Assert.All(Lines("job"), l => Assert.Matches("^[a-z]{3,8}$", l.GetProperty("text").GetString()!));
        Assert.Contains("[a-z]{3,8}", File.ReadAllText(In("job", "manifest.json")), StringComparison.Ordinal);
        Assert.Contains("holds another job", await Cli.RefuseAsync([.. job, "--pattern", "[a-z]{4}"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_card_has_the_command_that_makes_the_examples_again()
    {
        await Cli.SucceedAsync(["dataset", .. Small, "--pattern", "^[^']+ .*$", "--quiet", "--out", In("job")]);
        await Cli.SucceedAsync("dataset", "export", In("job"), "--test-share", "0.1", "--license", "cc-by-4.0", "--out", In("hub"));
        string card = File.ReadAllText(In("hub", "README.md"));
        string command = card.Split("```sh\n")[1].Split('\n')[0];
        Assert.Equal(
            "steer dataset --count 6 --round 4 --task astronomy --pattern '^[^'\\'']+ .*$' --max-chars 40 --allow-unfinished --seed 3 --max-tokens 6 --out job", command);
        string[] words = [.. command.Replace("'^[^'\\'']+ .*$'", "PATTERN", StringComparison.Ordinal).Split(' ').Skip(1).Select(w => w == "PATTERN" ? "^[^']+ .*$" : w).SkipLast(1)];
        await Cli.SucceedAsync([.. words, In("again"), "--quiet"]);
        foreach (string name in new[] { "manifest.json", "examples.jsonl", "rejected.jsonl" })
            Assert.Equal(File.ReadAllText(In("job", name)), File.ReadAllText(In("again", name)));
        Assert.Contains("steer dataset export job --format jsonl --test-share 0.1 --license cc-by-4.0 --out DIR", card, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Labels_are_in_lines_and_exports()
    {
        await Cli.SucceedAsync("dataset", "--task", "topics", "--count", "6", "--max-tokens", "5", "--allow-unfinished", "--threads", "1", "--quiet", "--out", In("job"));
        string[] labels = [.. Lines("job").Select(l => l.GetProperty("label").GetString()!)];
        Assert.Equal(3, labels.Distinct().Count());
        await Cli.SucceedAsync("dataset", "export", In("job"), "--format", "csv", "--out", In("csv"));
        string[] rows = File.ReadAllLines(In("csv", "train.csv"));
        Assert.StartsWith("id,label,text,", rows[0], StringComparison.Ordinal);
        Assert.Equal(labels, rows.Skip(1).Where(r => char.IsAsciiDigit(r[0])).Select(r => r.Split(',')[1]));
        Assert.Contains("The prompt of comment:", File.ReadAllText(In("csv", "README.md")), StringComparison.Ordinal);
        await Cli.SucceedAsync("dataset", "export", In("job"), "--format", "chat", "--out", In("chat"));
        string[] prompts = [.. File.ReadLines(In("chat", "train.jsonl")).Select(l => JsonDocument.Parse(l).RootElement.GetProperty("messages")[0].GetProperty("content").GetString()!)];
        Assert.Equal(labels.Select(l => l switch { "hypothesis" => "Hypothesis:", "comment" => "Comment:", _ => "Question:" }), prompts.Select(p => p.Split('\n')[1]));
    }

    [Fact]
    public async Task Texts_that_a_schema_refuses_are_counted_by_its_name_and_a_job_that_made_nothing_fails()
    {
        File.WriteAllText(In("schema.json"), """{"type": "object"}""");
        string[] job = ["dataset", .. Small, "--schema", In("schema.json"), "--max-attempts", "2", "--out", In("job")];
        var run = await Cli.RunAsync(job);
        Assert.Equal(ExitCode.User, run.Code);
        string line = CliResult.Lines(run.Error)[^1];
        Assert.StartsWith($"steer: {In("job")}: made nothing: 0 accepted, 12 refused (schema ", line, StringComparison.Ordinal);
        Assert.Contains("6 given up", line, StringComparison.Ordinal);
        Assert.Equal(line, await Cli.RefuseAsync(job));
    }

    [Fact]
    public async Task A_dry_run_tells_the_cost_and_leaves_nothing()
    {
        var run = await Cli.SucceedAsync("dataset", "--task", "astronomy", "--count", "600", "--max-tokens", "6", "--allow-unfinished", "--dry-run", "--quiet", "--out", In("job"));
        Assert.Contains("for 600 items", run.Output, StringComparison.Ordinal);
        Assert.False(Directory.Exists(In("job")));
    }

    [Fact]
    public async Task Shards_are_disjoint_and_merge_to_the_unsharded_job()
    {
        // No text here repeats another, so the merged examples are those of the job that made all items, but for the rounds of retries.
        await Cli.SucceedAsync(["dataset", .. Small, "--pool", "real", "--quiet", "--out", In("all")]);
        await Cli.SucceedAsync(["dataset", .. Small, "--shard", "0/2", "--quiet", "--out", In("a")]);
        await Cli.SucceedAsync(["dataset", .. Small, "--shard", "1/2", "--quiet", "--out", In("b")]);
        Assert.All(Lines("a"), l => Assert.Equal(0, l.GetProperty("id").GetInt32() % 2));
        Assert.Contains("6 accepted", (await Cli.SucceedAsync("dataset", "merge", In("b"), In("a"), "--out", In("whole"))).Output, StringComparison.Ordinal);
        static IEnumerable<(int, string?)> Texts(IEnumerable<JsonElement> lines) => lines.Select(l => (l.GetProperty("id").GetInt32(), l.GetProperty("text").GetString()));
        Assert.Equal(Texts(Lines("all")).Order(), Texts(Lines("whole")));
        Assert.Contains("each of the 2 shards once", await Cli.RefuseAsync("dataset", "merge", In("a"), In("a"), "--out", In("twice")), StringComparison.Ordinal);
        Assert.Contains("no shard", await Cli.RefuseAsync("dataset", "merge", In("all"), "--out", In("none")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Merging_refuses_what_repeats_across_shards()
    {
        await Cli.SucceedAsync(["dataset", .. Small, "--shard", "0/2", "--quiet", "--out", In("a")]);
        await Cli.SucceedAsync(["dataset", .. Small, "--shard", "1/2", "--quiet", "--out", In("b")]);
        string first = Lines("a")[0].GetProperty("text").GetString()!, other = Lines("b")[0].GetProperty("text").GetString()!;
        string path = In("b", "examples.jsonl");
        File.WriteAllText(path, File.ReadAllText(path).Replace(JsonSerializer.Serialize(other), JsonSerializer.Serialize(first), StringComparison.Ordinal));
        await Cli.SucceedAsync("dataset", "merge", In("a"), In("b"), "--out", In("whole"));
        Assert.Equal([0, 2, 3, 4, 5], Lines("whole").Select(l => l.GetProperty("id").GetInt32()));
        var refused = CliResult.Lines(File.ReadAllText(In("whole", "rejected.jsonl"))).Select(l => JsonDocument.Parse(l).RootElement).Single(l => l.GetProperty("id").GetInt32() == 1 && l.TryGetProperty("of", out _));
        Assert.Equal("item:0", refused.GetProperty("of").GetString());
    }

    [Theory]
    [InlineData("There is no folder", "dataset", "--task", "astronomy", "--count", "5")]
    [InlineData("There is no number of examples", "dataset", "--task", "astronomy", "--out", "x")]
    [InlineData("There is no task", "dataset", "--count", "5", "--out", "x")]
    [InlineData("count is 0", "dataset", "--task", "astronomy", "--count", "0", "--out", "x")]
    [InlineData("--n", "dataset", "--task", "astronomy", "--count", "5", "--out", "x", "--n", "3")]
    [InlineData("--log-probs", "dataset", "--task", "astronomy", "--count", "5", "--out", "x", "--log-probs")]
    [InlineData("--preset is 'context-aware'", "dataset", "--task", "astronomy", "--count", "5", "--out", "x", "--preset", "context-aware")]
    [InlineData("no-such.json: cannot be read", "dataset", "--task", "astronomy", "--count", "5", "--out", "x", "--schema", "no-such.json")]
    [InlineData("pattern", "dataset", "--task", "astronomy", "--count", "5", "--out", "x", "--pattern", "(")]
    [InlineData("does not see", "dataset", "--task", "astronomy", "--count", "5", "--out", "x", "--shard", "0/2", "--pool", "growing")]
    [InlineData("--shard is '3'", "dataset", "--task", "astronomy", "--count", "5", "--out", "x", "--shard", "3")]
    [InlineData("shows no progress", "dataset", "watch", "no-such-folder")]
    [InlineData("no-such.json: cannot be read (there is no such file)", "dataset", "no-such.json")]
    [InlineData("wach: no such file or command. Did you mean watch?", "dataset", "wach", "runs/job")]
    [InlineData("exprot: no such file or command. Did you mean export?", "dataset", "exprot")]
    public async Task What_cannot_be_done_is_said_in_a_line(string part, params string[] args) =>
        Assert.Contains(part, await Cli.RefuseAsync(args), StringComparison.Ordinal);

    [Fact]
    public async Task A_job_file_with_an_unknown_member_is_refused_with_the_nearest()
    {
        File.WriteAllText(In("job.json"), """{"coun": 6}""");
        Assert.EndsWith("\"coun\" is no flag. Did you mean \"count\"? See steer dataset --help.", await Cli.RefuseAsync("dataset", In("job.json")), StringComparison.Ordinal);
        File.WriteAllText(In("chat.json"), "{\"task\": \"astronomy\", \"count\": 3, \"chat\": true}");
        Assert.Contains("\"chat\" is no flag. The task says it", await Cli.RefuseAsync("dataset", In("chat.json")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no JSON (line 1, byte 1)", "")]
    [InlineData("no JSON (line 2, byte 10)", "{\n\"count\": \u001b[31m}")]
    [InlineData("no JSON object", "[1]")]
    [InlineData("\"task\" is neither a text", "{\"task\": {\"a\": 1}}")]
    [InlineData("\"quiet\" is neither true nor false", "{\"quiet\": \"yes\"}")]
    [InlineData("--count is '1e400'", "{\"count\": 1e400}")]
    [InlineData("--count is given 2 times", "{\"count\": 1, \"count\": 2}")]
    [InlineData("is no Unicode", "{\"task\": \"\\ud800\"}")]
    [InlineData("is no Unicode", "{\"\\ud800\": 1}")]
    [InlineData("a?b: no such task", "{\"task\": \"a\\u0007b\"}")]
    public async Task A_job_file_that_is_not_as_it_should_be_is_refused_in_a_line(string part, string content)
    {
        File.WriteAllText(In("job.json"), content);
        string message = await Cli.RefuseAsync("dataset", In("job.json"));
        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.DoesNotContain(message, char.IsControl);
    }

    [Fact]
    public async Task A_job_file_of_a_Windows_editor_is_read()
    {
        File.WriteAllBytes(In("job.json"), [0xEF, 0xBB, 0xBF, .. "{\r\n\"task\": \"astronomy\",\r\n\"count\": 0}"u8]);
        Assert.Contains("count is 0", await Cli.RefuseAsync("dataset", In("job.json"), "--out", In("job")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_file_of_any_depth_is_refused_in_a_line()
    {
        File.WriteAllText(In("job.json"), $"{{\"task\": {new string('[', 100_000)}");
        Assert.Contains("job.json: is no JSON (line 1, byte ", await Cli.RefuseAsync("dataset", In("job.json")), StringComparison.Ordinal);
    }

    private string In(params string[] names) => Path.Combine([_folder, .. names]);

    private List<JsonElement> Lines(string job) => [.. CliResult.Lines(File.ReadAllText(In(job, "examples.jsonl"))).Select(l => JsonDocument.Parse(l).RootElement)];
}
