using System.Text.Json;
using Steer.Runtime.Checkpoints;

namespace Steer.Cli.Tests;

/// <summary>`steer score` against transformers and peft.</summary>
public sealed class ScoreTests
{
    /// <summary>
    /// Sums of at most a hundred log-probabilities of float32 models on both sides, whose sums over k are ordered differently: about 1e-5 nats
    /// each. A wrong token or prompt costs whole nats.
    /// </summary>
    private const double Tolerance = 2e-3;

    [Theory]
    [InlineData("astronomy")]
    [InlineData("comments")]
    public async Task Sums_equal_those_of_transformers_and_peft(string task)
    {
        using var golden = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Cli.Repository, "tests", "Steer.Cli.Tests", "goldens", "pair.json")));
        var expected = golden.RootElement.GetProperty("tasks").GetProperty(task).GetProperty("scores").EnumerateArray().ToList();
        using var folder = new TemporaryFolder();
        string file = folder.Write("texts.jsonl", string.Join('\n', expected.Select(e => JsonSerializer.Serialize(new { text = e.GetProperty("text").GetString() }))));
        var scores = (await Cli.SucceedAsync("score", "--task", task, file, "--json", "--quiet")).Json;
        Assert.Equal(expected.Count + 1, scores.Count);
        double sum = 0;
        foreach (var (score, e) in scores.Zip(expected))
        {
            Assert.Equal(e.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32()), score.GetProperty("token_ids").EnumerateArray().Select(i => i.GetInt32()));
            Assert.Equal(e.GetProperty("base").GetDouble(), LogProb(score, "base"), Tolerance);
            Assert.Equal(e.GetProperty("expert").GetDouble(), LogProb(score, "expert"), Tolerance);
            int tokens = score.GetProperty("tokens").GetInt32();
            Assert.Equal(Math.Exp(-LogProb(score, "expert") / tokens), score.GetProperty("expert").GetProperty("perplexity").GetDouble(), 1e-9);
            sum += LogProb(score, "base");
        }

        Assert.Equal(sum, LogProb(scores[^1].GetProperty("total"), "base"), 1e-9);
    }

    [Fact]
    public async Task Without_guidance_the_guided_distribution_is_the_experts()
    {
        var score = (await Cli.SucceedAsync("score", "--task", "astronomy", "--gamma", "0", "--eta", "0", "The galaxy moves.", "--json", "-q")).Json[0];
        Assert.Equal(LogProb(score, "expert"), LogProb(score, "guided"));
    }

    [Fact]
    public async Task Tokens_outside_the_mask_have_no_log_probability_and_it_is_said()
    {
        var result = await Cli.SucceedAsync("score", "--task", "astronomy", "--alpha", "0.9", "Nobody says such things of stars.", "--json", "-q");
        var guided = result.Json[0].GetProperty("guided");
        Assert.Equal(JsonValueKind.Null, guided.GetProperty("log_prob").ValueKind);
        Assert.True(guided.GetProperty("masked_tokens").GetInt32() > 0);
        Assert.Contains("outside the plausibility mask", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_log_probs_add_up()
    {
        var score = (await Cli.SucceedAsync("score", "--prompt", "The", " sky is blue", "--log-probs", "--json", "-q")).Json[0].GetProperty("base");
        Assert.Equal(
            score.GetProperty("log_prob").GetDouble(),
            score.GetProperty("log_probs").EnumerateArray().Sum(t => (double)t.GetProperty("log_prob").GetSingle()),
            1e-9);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("falcon-paper-targets")]
    public async Task Raw_logits_equal_those_of_transformers_and_peft(string? adapter)
    {
        string model = Path.Combine(Cli.RuntimeGoldens, "models", "falcon-7b-like");
        string? expert = adapter is null ? null : Path.Combine(Cli.RuntimeGoldens, "adapters", adapter);
        using var expected = SafetensorsFile.Open(Path.Combine(expert ?? model, "expected.safetensors"));
        int[][] rows = [.. expected.ReadIntegers("input_ids").Select(i => (int)i).Chunk((int)expected.Tensor("input_ids").Shape[1])];
        float[] logits = expected.ReadFloats("logits");

        // The last row is cut, so that it is padded with zeros.
        int cut = 5, vocab = (int)expected.Tensor("logits").Shape[2];
        rows[^1] = rows[^1][..^cut];
        Array.Clear(logits, logits.Length - cut * vocab, cut * vocab);
        using var folder = new TemporaryFolder();
        string ids = folder.Write("ids.json", JsonSerializer.Serialize(rows));
        string[] expertFlags = expert is null ? [] : ["--expert", expert];
        await Cli.SucceedAsync(["score", "--base", model, .. expertFlags, "--ids-file", ids, "--logits", folder["logits.safetensors"], "-q"]);

        using var written = SafetensorsFile.Open(folder["logits.safetensors"]);
        Assert.Equal(expected.Tensor("logits").Shape, written.Tensor("logits").Shape);
        float[] actual = written.ReadFloats("logits");
        double mean = logits.Average(x => (double)x), deviation = Math.Sqrt(logits.Average(x => (x - mean) * (x - mean)));

        // The limit that the models' own tests hold: float32 sums in different orders, through three layers.
        Assert.True(actual.Zip(logits, (a, b) => Math.Abs((double)a - b)).Max() < 2e-4 * deviation);
    }

    [Fact]
    public async Task Texts_come_as_arguments_from_a_file_or_piped()
    {
        using var folder = new TemporaryFolder();
        var argument = await Cli.SucceedAsync("score", "The sky.", "The sea.", "-q");
        var file = await Cli.SucceedAsync("score", "--file", folder.Write("texts.txt", "The sky.\nThe sea.\n"), "-q");
        var piped = await Cli.RunAsync(CliInput.Text("The sky.\nThe sea."), "score", "-q");
        Assert.Equal(argument.Output, file.Output);
        Assert.Equal(argument.Output, piped.Output);
        Assert.Equal(5, CliResult.Lines(argument.Output).Length);
    }

    private static double LogProb(JsonElement score, string distribution) => score.GetProperty(distribution).GetProperty("log_prob").GetDouble();
}
