using System.Text.Json;
using System.Text.RegularExpressions;

namespace Steer.Cli.Tests;

/// <summary>tokenize, inspect, devices, bench and the help pages.</summary>
public sealed class ToolTests
{
    [Theory]
    [InlineData("llama3-like")]
    [InlineData("gpt2-like")]
    public async Task Tokenize_gives_the_ids_and_texts_of_the_reference_tokenizer(string name)
    {
        string tokenizer = Path.Combine(Cli.RuntimeGoldens, "tokenizer_json", name);
        using var golden = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(tokenizer, "vectors.json")));
        var vectors = golden.RootElement.GetProperty("vectors").EnumerateArray().ToList();
        using var folder = new TemporaryFolder();
        string file = folder.Write("texts.jsonl", string.Join('\n', vectors.Select(v => $"{{\"text\": {v.GetProperty("text").GetRawText()}}}")));

        var plain = (await Cli.SucceedAsync("tokenize", "--tokenizer", tokenizer, "--json", file)).Json;
        var special = (await Cli.SucceedAsync("tokenize", "--tokenizer", tokenizer, "--json", "--special", file)).Json;
        Assert.Equal(vectors.Count, plain.Count);
        for (int i = 0; i < vectors.Count; i++)
        {
            Assert.Equal(Ids(vectors[i], "ids"), Ids(plain[i], "ids"));
            Assert.Equal(vectors[i].GetProperty("decoded").GetString(), plain[i].GetProperty("decoded").GetString());
            Assert.Equal(Ids(vectors[i], "ids_with_special"), Ids(special[i], "ids"));
        }
    }

    [Fact]
    public async Task Tokenize_goes_both_ways()
    {
        const string text = "The stars move: 3.5 km/s!";
        var ids = Ids((await Cli.SucceedAsync("tokenize", text, "--json")).Json[0], "ids");
        var back = await Cli.SucceedAsync("tokenize", "--ids", string.Join(',', ids));
        Assert.Contains($"decoded  {text}\n", back.Output, StringComparison.Ordinal);
        var piped = await Cli.RunAsync(CliInput.Text(text), "tokenize", "--json");
        Assert.Equal(ids, Ids(piped.Json[0], "ids"));
    }

    [Fact]
    public async Task Inspect_tells_what_the_embedded_pair_is()
    {
        var report = Assert.Single((await Cli.SucceedAsync("inspect", "--task", "astronomy", "--json")).Json);
        var model = report.GetProperty("base");

        // As weights/README.md says: 5.48M parameters, 6 layers, hidden 256, window 512, bf16; rank 16 on all seven linear layers.
        Assert.Equal("LlamaForCausalLM", model.GetProperty("architecture").GetString());
        Assert.Equal(5_475_584, model.GetProperty("parameters").GetInt64());
        Assert.Equal(6, model.GetProperty("layers").GetInt32());
        Assert.Equal(512, model.GetProperty("window").GetInt32());
        Assert.Equal("bf16", model.GetProperty("weights").GetString());
        var expert = report.GetProperty("expert");
        Assert.Equal([16], Ids(expert, "ranks"));
        Assert.Equal(7, expert.GetProperty("targets").GetArrayLength());

        // As the box of a run says: bfloat16, with the rows that a panel of 32 fills up.
        Assert.InRange(expert.GetProperty("memory_bytes").GetProperty("low_rank_changes").GetInt64(), 2 * 448_512, 2.6 * 448_512);

        var table = await Cli.RunAsync(new CliInput { Width = 40, OutputIsTerminal = true }, "inspect", "--task", "astronomy");
        Assert.Contains("LlamaForCausalLM", table.Output, StringComparison.Ordinal);
        Assert.All(CliResult.Lines(Regex.Replace(table.Output, "\e\\[[0-9;]*m", "")), line => Assert.True(line.Length <= 40, line));

        // A pipe has no window: a path stays in one piece.
        using var folder = new TemporaryFolder();
        string path = folder.Copy(Path.Combine(Cli.Weights, "base"), new string('x', 120));
        Assert.Contains(path, (await Cli.SucceedAsync("inspect", path)).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Inspect_and_the_box_of_a_run_tell_one_figure()
    {
        string box = (await Cli.SucceedAsync("generate", "--task", "astronomy", "-n", "1", "--max-tokens", "1")).Error;
        string table = (await Cli.SucceedAsync("inspect", "--task", "astronomy")).Output;
        foreach (var (ofRun, ofModel) in new[] { ("weights ([0-9.]+ MB)", "memory +([0-9.]+ MB)\n  embedding"), ("adapters ([0-9.]+ MB)", "low-rank changes +([0-9.]+ MB)") })
            Assert.Equal(Regex.Match(box, ofRun).Groups[1].Value, Regex.Match(table, ofModel).Groups[1].Value);
    }

    [Fact]
    public async Task Devices_names_the_processor_first()
    {
        Assert.Equal("cpu", (await Cli.SucceedAsync("devices", "--json")).Json[0].GetProperty("name").GetString());
        Assert.Contains("ilgpu-cpu", (await Cli.SucceedAsync("devices")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kernels_are_written_by_name_and_need_no_GPU()
    {
        using var folder = new TemporaryFolder();
        await Cli.SucceedAsync("kernels", "--emit", "opencl", folder["out"]);
        Assert.Contains("kernel void Kernel_Norm", File.ReadAllText(Path.Combine(folder["out"], "Norm.cl")), StringComparison.Ordinal);

        Assert.Contains("DIR is missing", await Cli.RefuseAsync("kernels"), StringComparison.Ordinal);
        Assert.Contains("ptx, opencl", await Cli.RefuseAsync("kernels", "--emit", "spirv", "x"), StringComparison.Ordinal);
        Assert.Contains("sm_90", await Cli.RefuseAsync("kernels", "--arch", "sm_70", "x"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bench_measures_plain_and_guided_runs()
    {
        string[] line = ["bench", "--task", "astronomy", "--batch", "1,2", "--prompt-tokens", "20", "--negative-tokens", "20", "--max-tokens", "4"];
        var runs = (await Cli.SucceedAsync([.. line, "--json"])).Json;
        Assert.Equal(["plain 1 1", "guided 1 3", "plain 2 1", "guided 2 3"], runs.Select(r => $"{r.GetProperty("mode")} {r.GetProperty("batch")} {r.GetProperty("branches")}"));
        Assert.All(runs, r => Assert.True(r.GetProperty("decode_tokens_per_second").GetDouble() > 0 && r.GetProperty("memory_bytes_per_second").GetDouble() > 0));
    }

    [Fact]
    public async Task Bench_shows_what_each_kernel_took_and_how_far_it_is_from_its_limit()
    {
        string[] line = ["bench", "--task", "astronomy", "--batch", "2", "--prompt-tokens", "20", "--max-tokens", "4", "--profile"];
        var plain = (await Cli.SucceedAsync([.. line, "--json"])).Json[0];
        foreach (string phase in new[] { "prefill", "decode" })
        {
            var profile = plain.GetProperty(phase);
            var kernels = profile.GetProperty("kernels").EnumerateArray().ToList();
            // The embedded pair: five products, four of them in each of its six layers, and the head once.
            Assert.Equal(
                ["1408x256 6", "256x256 6", "256x704 6", "4096x256 1", "512x256 6"],
                kernels.Where(k => k.GetProperty("kernel").GetString() == "MatMul")
                    .Select(k => $"{k.GetProperty("n")}x{k.GetProperty("k")} {k.GetProperty("calls").GetInt64() / profile.GetProperty("steps").GetInt64()}")
                    .Order(StringComparer.Ordinal));
            double shares = kernels.Sum(k => k.GetProperty("share").GetDouble()) + profile.GetProperty("outside_kernels_share").GetDouble();
            Assert.Equal(1, shares, 1e-9);
            Assert.All(kernels, k => Assert.True(k.GetProperty("seconds").GetDouble() > 0));
            var attention = kernels.Single(k => k.GetProperty("kernel").GetString() == "Attention");
            Assert.Contains(attention.GetProperty("limit").GetString(), new[] { "arithmetic", "memory", "cache" });
        }

        // In each of the runs both prompts and all but the last token of each text; the second prompt may be a step late, beside the first one's token.
        long rows = new[] { "prefill", "decode" }.Sum(phase => plain.GetProperty(phase).GetProperty("rows").GetInt64());
        Assert.Equal((true, 0), (rows > 0, rows % (2 * (20 + 3))));

        foreach (int width in new[] { 40, 80 })
        {
            var table = await Cli.RunAsync(new CliInput { Width = width }, line);
            Assert.Contains("a ", table.Output, StringComparison.Ordinal);
            Assert.Contains("GFLOP/s", table.Output, StringComparison.Ordinal);
            Assert.Contains("Attention", table.Output, StringComparison.Ordinal);
            Assert.All(CliResult.Lines(table.Output), l => Assert.True(l.Length <= width, l));
        }
    }

    [Fact]
    public async Task Bench_synth_asks_for_a_size_that_it_knows_and_for_a_folder()
    {
        Assert.Contains("--params", await Cli.RefuseAsync("bench", "synth", "--out", "x"), StringComparison.Ordinal);
        Assert.Contains("134M", await Cli.RefuseAsync("bench", "synth", "--out", "x", "--params", "3M"), StringComparison.Ordinal);
        Assert.Contains("--out", await Cli.RefuseAsync("bench", "synth", "--params", "15M"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("generate")]
    [InlineData("score")]
    [InlineData("evaluate")]
    [InlineData("tokenize")]
    [InlineData("inspect")]
    [InlineData("devices")]
    [InlineData("kernels")]
    [InlineData("bench")]
    public async Task Help_shows_an_example_and_fits_the_window(string command)
    {
        foreach (int width in new[] { 40, 80, 200 })
        {
            var help = await Cli.RunAsync(new CliInput { Width = width }, command, "--help");
            Assert.Equal(ExitCode.Ok, help.Code);
            Assert.Contains("Example", help.Output, StringComparison.Ordinal);
            Assert.Contains($"  steer {command}", help.Output, StringComparison.Ordinal);
            if (width >= 80)
                Assert.All(CliResult.Lines(help.Output), line => Assert.True(line.Length <= width, line));
        }
    }

    [Fact]
    public async Task No_arguments_at_all_explain_the_program()
    {
        var help = await Cli.SucceedAsync();
        foreach (string word in new[] { "expert", "steer generate --task astronomy", "bench", "--help" })
            Assert.Contains(word, help.Output, StringComparison.Ordinal);
        Assert.Equal(help.Output, (await Cli.SucceedAsync("--help")).Output);
        Assert.Matches(@"^steer \d+\.\d+\.\d+\n$", (await Cli.SucceedAsync("--version")).Output);
    }

    private static IEnumerable<int> Ids(JsonElement element, string name) => element.GetProperty(name).EnumerateArray().Select(i => i.GetInt32());
}
