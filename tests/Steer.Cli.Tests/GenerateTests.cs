using System.Globalization;
using System.Text.Json;
using Steer.Runtime.Engine;

namespace Steer.Cli.Tests;

/// <summary>`steer generate` on the embedded pair.</summary>
public sealed class GenerateTests
{
    private static readonly string Base = Path.Combine(Cli.Weights, "base");
    private static readonly string Astronomy = Path.Combine(Cli.Weights, "experts", "astronomy");
    private static readonly string Comments = Path.Combine(Cli.Weights, "experts", "comments");

    [Fact]
    public async Task The_first_example_prints_eight_texts_and_a_box_that_fits_the_window()
    {
        var result = await Cli.SucceedAsync("generate", "--task", "astronomy", "-n", "8", "--gamma", "0.3", "--eta", "0.2");
        Assert.Equal(8, result.Output.Split("\n\n").Length);
        Assert.EndsWith("\n", result.Output, StringComparison.Ordinal);
        Assert.All(CliResult.Lines(result.Output), line => Assert.False(char.IsWhiteSpace(line[0]), "The task's completion prefix is cut off."));
        foreach (string word in new[] { "Prefill", "Decode", "tokens/s", "3 (expert, base, negative)", "Memory" })
            Assert.Contains(word, result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_narrow_window_gets_a_narrow_box()
    {
        var result = await Cli.RunAsync(new CliInput { Width = 40 }, "generate", "--task", "astronomy", "--max-tokens", "2");
        Assert.All(CliResult.Lines(result.Error), line => Assert.True(line.Length <= 40, line));
    }

    [Fact]
    public async Task Json_has_an_object_per_text_with_a_seed_that_makes_it_again()
    {
        string[] line = ["generate", "--task", "astronomy", "--eta", "0.2", "--max-tokens", "12", "--json", "--quiet"];
        var first = await Cli.SucceedAsync([.. line, "-n", "3", "--seed", "7"]);
        var again = await Cli.SucceedAsync([.. line, "-n", "3", "--seed", "7", "--threads", "1", "--max-batch", "2"]);
        Assert.Equal(first.Output, again.Output);
        Assert.Empty(first.Error);
        Assert.Equal(3, first.Json.Count);
        for (int i = 0; i < 3; i++)
        {
            var text = first.Json[i];
            Assert.Equal(["text", "token_ids", "finish_reason", "seed", "index"], text.EnumerateObject().Select(p => p.Name));
            Assert.Equal(i, text.GetProperty("index").GetInt32());
            Assert.Contains(text.GetProperty("finish_reason").GetString(), new[] { "stop", "length" });
            string seed = text.GetProperty("seed").GetRawText();
            var alone = (await Cli.SucceedAsync([.. line, "--seed", seed])).Json[0];
            Assert.Equal(text.GetProperty("token_ids").GetRawText(), alone.GetProperty("token_ids").GetRawText());
            Assert.Equal(text.GetProperty("text").GetString(), alone.GetProperty("text").GetString());
        }
    }

    [Fact]
    public async Task Texts_are_made_to_fit_a_pattern_a_schema_choices_or_the_tasks_own()
    {
        using var files = new TemporaryFolder();
        string schema = files.Write("schema.json", """{"type": "array", "items": {"enum": ["star", 7]}, "minItems": 2, "maxItems": 2}""");
        string[] line = ["generate", "--task", "commonsense", "-n", "2", "--json", "--quiet"];
        foreach (var (flags, pattern) in new (string[], string)[]
        {
            (["--pattern", "[a-z]{4} [0-9]{3}"], "^[a-z]{4} [0-9]{3}$"),
            (["--schema", schema], "^\\[(\"star\"|7),(\"star\"|7)\\]$"),
            (["--choice", "one\\ntwo", "--choice", "three"], "^(one\ntwo|three)$"),
            (["--structured"], "^[^\n]+\nA\\. [^\n]+\nB\\. [^\n]+\nC\\. [^\n]+\nD\\. [^\n]+\nE\\. [^\n]+\nAnswer: [A-E]$"),
        })
        {
            var texts = (await Cli.SucceedAsync([.. line, .. flags])).Json;
            Assert.Equal(2, texts.Count);
            Assert.All(texts, t => Assert.Matches(pattern, t.GetProperty("text").GetString()!));
            Assert.All(texts, t => Assert.Equal("stop", t.GetProperty("finish_reason").GetString()));
        }
    }

    [Fact]
    public async Task Texts_cut_off_before_their_structure_is_complete_are_counted()
    {
        string[] line = ["generate", "--task", "astronomy", "-n", "2", "--max-tokens", "3", "--quiet"];
        string error = (await Cli.SucceedAsync([.. line, "--pattern", "[a-z]{200}"])).Error;
        Assert.Equal("steer: note: 2 of 2 texts reached the most tokens before the structure asked for was complete.\n", error);
        Assert.Empty((await Cli.SucceedAsync([.. line, "--choice", "a"])).Error);
        Assert.Empty((await Cli.SucceedAsync(line)).Error);
    }

    [Fact]
    public async Task A_structure_that_cannot_be_had_is_one_line()
    {
        string[] line = ["generate", "--task", "astronomy"];
        Assert.Contains("2 of a regular expression", await Cli.RefuseAsync([.. line, "--pattern", "a", "--choice", "b"]), StringComparison.Ordinal);
        Assert.Contains("leave it out beside", await Cli.RefuseAsync([.. line, "--pattern", "a", "--structured"]), StringComparison.Ordinal);
        Assert.Contains("the task has no pattern", await Cli.RefuseAsync([.. line, "--structured"]), StringComparison.Ordinal);
        Assert.Contains("'(a'", await Cli.RefuseAsync([.. line, "--pattern", "(a"]), StringComparison.Ordinal);
        Assert.Contains("missing.json", await Cli.RefuseAsync([.. line, "--schema", "missing.json"]), StringComparison.Ordinal);
        Assert.Contains("min-tokens", await Cli.RefuseAsync([.. line, "--pattern", "a", "--min-tokens", "3"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Log_probs_name_the_guided_distribution_the_branches_and_the_alternatives()
    {
        var result = await Cli.SucceedAsync("generate", "--task", "comments", "--max-tokens", "4", "--temperature", "0", "--log-probs", "2", "--json", "-q");
        var text = Assert.Single(result.Json);
        var tokens = text.GetProperty("log_probs").EnumerateArray().ToList();
        Assert.Equal(text.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt32()), tokens.Select(t => t.GetProperty("token_id").GetInt32()));
        foreach (var token in tokens)
        {
            Assert.Equal(["expert", "base", "negative"], token.GetProperty("branches").EnumerateObject().Select(b => b.Name));
            Assert.True(token.GetProperty("entropy").GetSingle() >= 0);

            // Greedy: the best alternative is the token itself; floats read back as they were written.
            var best = token.GetProperty("alternatives")[0];
            Assert.Equal(token.GetProperty("token_id").GetInt32(), best.GetProperty("token_id").GetInt32());
            string written = token.GetProperty("log_prob").GetRawText();
            Assert.Equal(float.Parse(written, CultureInfo.InvariantCulture), best.GetProperty("log_prob").GetSingle());
        }
    }

    [Fact]
    public async Task Gamma_and_eta_0_are_plain_sampling()
    {
        string[] line = ["generate", "--task", "astronomy", "-n", "3", "--max-tokens", "20", "--json", "-q", "--log-probs"];
        var plain = await Cli.SucceedAsync([.. line, "--preset", "plain"]);
        Assert.Equal(plain.Output, (await Cli.SucceedAsync([.. line, "--gamma", "0", "--eta", "0"])).Output);
    }

    [Fact]
    public async Task Token_ids_serve_as_prompt_and_as_negative()
    {
        string[] line = ["generate", "--base", Base, "--expert", Astronomy, "--prompt-ids", "3167,433,492", "--max-tokens", "8", "--json", "-q", "--log-probs"];
        var plain = (await Cli.SucceedAsync(line)).Json[0];
        var pushed = (await Cli.SucceedAsync([.. line, "--negative-ids", "690,3911,2692", "--eta", "0.4"])).Json[0];
        Assert.Equal(["expert"], Branches(plain));
        Assert.Equal(["expert", "negative"], Branches(pushed));
    }

    [Fact]
    public async Task Standard_input_holds_a_prompt_per_line_or_json_lines()
    {
        string[] line = ["generate", "-n", "2", "--max-tokens", "3", "--json", "-q"];
        var plain = await Cli.RunAsync(CliInput.Text("The star\nOnce upon\n"), line);
        var json = await Cli.RunAsync(CliInput.Text("{\"prompt\": \"The star\"}\n\n{\"text\": \"Once upon\", \"id\": 3}\n"), line);
        Assert.Equal(ExitCode.Ok, plain.Code);
        Assert.Equal(plain.Output, json.Output);
        Assert.Equal([0, 0, 1, 1], plain.Json.Select(t => t.GetProperty("prompt_index").GetInt32()));

        // The same prompts from a file and from flags.
        using var folder = new TemporaryFolder();
        Assert.Equal(plain.Output, (await Cli.SucceedAsync([.. line, "--prompt-file", folder.Write("prompts.txt", "The star\r\nOnce upon")])).Output);
        Assert.Equal(plain.Output, (await Cli.SucceedAsync([.. line, "--prompt", "The star", "--prompt", "Once upon"])).Output);
    }

    [Fact]
    public async Task Unordered_results_are_the_same_texts()
    {
        string[] line = ["generate", "--task", "astronomy", "-n", "5", "--gamma", "0", "--eta", "0", "--max-tokens", "30", "--json", "-q"];
        var ordered = await Cli.SucceedAsync(line);
        var unordered = await Cli.SucceedAsync([.. line, "--unordered"]);
        Assert.Equal([0, 1, 2, 3, 4], ordered.Json.Select(t => t.GetProperty("index").GetInt32()));
        Assert.Equal(CliResult.Lines(ordered.Output).Order(), CliResult.Lines(unordered.Output).Order());
    }

    public static TheoryData<string[], string> Presets => new()
    {
        { ["--prompt", "The"], "base" },
        { ["--prompt", "The", "--gamma", "1.5"], "base unconditional" },
        { ["--prompt", "The", "--expert", Astronomy], "expert" },
        { ["--prompt", "The", "--expert", Astronomy, "--gamma", "0.3"], "expert base" },
        { ["--task", "astronomy", "--base", Base], "base" },
        { ["--task", "astronomy", "--preset", "plain"], "expert" },
        { ["--task", "astronomy", "--eta", "0"], "expert base" },
        { ["--task", "astronomy", "--negative-combination", "log-mean-exp", "--negatives-per-item", "2"], "expert base negative_0 negative_1" },
        { ["--prompt", "The", "--expert", Astronomy, "--anti-expert", Comments], "base expert anti-expert" },
        { ["--prompt", "The", "--expert", Astronomy, "--amateur", Comments], "expert amateur" },
        { ["--prompt", "The", "--expert", Astronomy, "--large", Path.Combine(Cli.Weights, "experts", "astronomy-full")], "large expert base" },
        { ["--prompt", "The", "--context", Path.Combine(Cli.Repository, "tests", "Steer.Cli.Tests", "goldens", "context.txt")], "context base" },
    };

    [Theory]
    [MemberData(nameof(Presets))]
    public async Task Models_and_strengths_tell_the_preset(string[] flags, string branches)
    {
        var result = await Cli.SucceedAsync(["generate", .. flags, "--max-tokens", "1", "--json", "-q", "--log-probs"]);
        Assert.Equal(branches.Split(' '), Branches(result.Json[0]));
    }

    [Fact]
    public async Task Sampling_flags_reach_the_engine()
    {
        string[] line = ["generate", "--prompt", "The star", "--max-tokens", "6", "--json", "-q"];
        int first = Ids((await Cli.SucceedAsync([.. line, "--temperature", "0"])).Json[0])[0];
        Assert.Equal(first, Ids((await Cli.SucceedAsync([.. line, "--top-k", "1"])).Json[0])[0]);
        Assert.NotEqual(first, Ids((await Cli.SucceedAsync([.. line, "--temperature", "0", "--logit-bias", $"{first}=-inf"])).Json[0])[0]);
        var stopped = (await Cli.SucceedAsync([.. line, "--temperature", "0", "--stop-token-ids", $"{first}"])).Json[0];
        Assert.Equal([first], Ids(stopped));
        Assert.Equal("stop", stopped.GetProperty("finish_reason").GetString());
    }

    [Fact]
    public async Task A_stop_text_ends_a_text_and_an_escape_stands_for_a_line_end()
    {
        string[] line = ["generate", "--task", "commonsense", "--json", "-q"];
        Assert.Contains('\n', Text(await Cli.SucceedAsync(line)));
        Assert.DoesNotContain('\n', Text(await Cli.SucceedAsync([.. line, "--stop", "\\n"])));
    }

    [Fact]
    public void Every_sampling_parameter_has_a_flag_of_its_name()
    {
        using var terminal = new Terminal(Stream.Null, Stream.Null, Stream.Null);
        var flags = new Commands.GenerateCommand(terminal).Options.Select(o => o.Name).ToHashSet();
        // Structured output is a choice of three, each with its flag.
        foreach (var property in typeof(SamplingParams).GetProperties()
            .Where(p => p.SetMethod?.IsPublic == true && p.Name != nameof(SamplingParams.StructuredOutput)))
            Assert.Contains("--" + JsonNamingPolicy.KebabCaseLower.ConvertName(property.Name), flags);
    }

    [Fact]
    public async Task Notes_tell_what_was_asked_for_in_vain()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("negatives.txt", "One.\nTwo.\n");
        var result = await Cli.SucceedAsync("generate", "--prompt", "The", "--negatives", file, "--max-tokens", "1", "-q");
        Assert.Contains("note: negatives have no effect", result.Error, StringComparison.Ordinal);
        result = await Cli.SucceedAsync("generate", "--task", "astronomy", "--negatives-per-item", "60", "--max-tokens", "1", "-n", "3", "-q");
        Assert.Single(CliResult.Lines(result.Error));
        Assert.Contains("negatives were left out", result.Error, StringComparison.Ordinal);
    }

    private static string Text(CliResult result) => result.Json[0].GetProperty("text").GetString()!;

    private static int[] Ids(JsonElement text) => [.. text.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt32())];

    private static IEnumerable<string> Branches(JsonElement text) =>
        text.GetProperty("log_probs")[0].GetProperty("branches").EnumerateObject().Select(b => b.Name);
}
