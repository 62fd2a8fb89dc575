using System.Text.Json;
using System.Text.RegularExpressions;
using Steer.Runtime.Engine;
using Steer.Runtime.Grammars;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Engine;

/// <summary>Texts that a regular expression, a JSON schema or a list of choices prescribes, on the embedded pair with its guidance.</summary>
public class StructuredOutputTests
{
    private const string Question = @"^ ?[^\n]{10,40}\?\nA\. (?<a>[a-z ]{2,12})\nB\. [a-z ]{2,12}\nAnswer: [AB]$";

    private const string Schema = """
        {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "kind": {"enum": ["star", "planet", "dark matter"]},
        "mass": {"type": "integer", "minimum": 1, "maximum": 99}}, "required": ["name", "kind", "mass"], "additionalProperties": false}
        """;

    private static readonly EngineOptions Pair = new()
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
        MaxBatch = 4,
        Threads = 1,
    };

    public static TheoryData<string, StructuredOutput> OnDevices => TestDevices.With(TestDevices.All, [
        new StructuredOutput { Regex = "(Red|Blue) giants? [a-z]{3,8}" },
        new StructuredOutput { Json = Schema },
        new StructuredOutput { Choices = ["yes", "no", "maybe so"], Prefix = " " },
    ]);

    [Theory]
    [MemberData(nameof(OnDevices))]
    public async Task Every_guided_text_fits(string device, StructuredOutput output)
    {
        var (texts, _) = await Run(Pair with { Device = device }, Request(output, n: device == "cpu" ? 8 : 2));
        Assert.All(texts, t => Assert.True(Fits(output, t.Text), $"'{t.Text}' does not fit."));
        Assert.All(texts, t => Assert.Equal(FinishReason.Stop, t.FinishReason));
    }

    [Fact]
    public async Task Texts_are_new_ones_and_not_the_same_each_time()
    {
        var (texts, _) = await Run(Pair, Request(new StructuredOutput { Regex = Question }, n: 8));
        Assert.All(texts, t => Assert.Matches(Question, t.Text));
        Assert.Equal(8, texts.Select(t => t.Text).Distinct().Count());
    }

    /// <summary>A penalty, however small, looks at each token by itself: every one is a step of its own.</summary>
    [Fact]
    public async Task Tokens_that_are_known_are_computed_at_once_and_give_the_bits_of_single_steps()
    {
        var request = Request(new StructuredOutput { Json = Schema }, n: 1);
        var (together, few) = await Run(Pair, request);
        var (single, many) = await Run(Pair, request with { Sampling = request.Sampling with { FrequencyPenalty = float.Epsilon } });
        Same(single, together);
        Assert.True(few.Rounds < few.GeneratedTokens, "No step had several tokens: the case tests nothing.");
        Assert.True(few.Rounds < many.Rounds);
    }

    [Fact]
    public async Task A_text_that_is_interrupted_gives_the_same_bits()
    {
        var request = Request(new StructuredOutput { Regex = "([a-z]+ the end of the universe ){40}" }, n: 3);
        var options = Pair with { SharePrefixes = false };
        var (expected, roomy) = await Run(options, request);
        var (actual, statistics) = await Run(options with { Memory = roomy.KvPeakBytes * 2 / 3 }, request);
        Same(expected, actual);
        Assert.True(statistics.Preemptions > 0, "Nothing was preempted: the case tests nothing.");
    }

    [Fact]
    public async Task Others_in_the_batch_do_not_change_a_text()
    {
        var structured = Request(new StructuredOutput { Json = Schema }, n: 1);
        var free = structured with { Sampling = structured.Sampling with { StructuredOutput = null, N = 3 }, Seed = 8 };
        var (alone, _) = await Run(Pair, structured);
        var (freeAlone, _) = await Run(Pair, free);
        var (both, _) = await Run(Pair, structured, free);
        Same([.. alone, .. freeAlone], both);
    }

    [Fact]
    public async Task Log_probabilities_are_those_of_what_may_come_next()
    {
        var (texts, _) = await Run(Pair, Request(new StructuredOutput { Choices = ["star", "stars"] }, n: 1));
        // Branches have those of the whole vocabulary; a token without an alternative is certain under the guided distribution.
        Assert.Contains(texts[0].LogProbs!, t => t.LogProb == 0);
        Assert.All(texts[0].LogProbs!, t => Assert.All(t.BranchLogProbs, l => Assert.True(l < 0)));
    }

    [Fact]
    public async Task A_text_that_runs_out_of_tokens_ends_by_its_length()
    {
        var request = Request(new StructuredOutput { Regex = "[a-z ]{200,}" }, n: 1);
        var (texts, _) = await Run(Pair, request with { Sampling = request.Sampling with { MaxTokens = 6 } });
        Assert.Equal((6, FinishReason.Length), (texts[0].TokenIds.Count, texts[0].FinishReason));
    }

    [Fact]
    public async Task What_cannot_be_made_is_one_clear_line()
    {
        await Refused(new SamplingParams { StructuredOutput = new StructuredOutput() }, "Structured output has 0 of");
        await Refused(new SamplingParams { StructuredOutput = new StructuredOutput { Regex = "a", Choices = ["b"] } }, "Structured output has 2 of");
        await Refused(new SamplingParams { StructuredOutput = new StructuredOutput { Regex = "a(" } }, "regular expression");
        await Refused(new SamplingParams { StructuredOutput = new StructuredOutput { Json = "{" } }, "schema");
        await Refused(new SamplingParams { StructuredOutput = new StructuredOutput { Regex = "a" }, IgnoreEos = true }, "ignore-eos");
        await Refused(new SamplingParams { StructuredOutput = new StructuredOutput { Regex = "a" }, MinTokens = 2 }, "min-tokens");
        int digit = TokenOf("7");
        await Refused(
            new SamplingParams
            {
                StructuredOutput = new StructuredOutput { Regex = "7" },
                LogitBias = new Dictionary<int, float> { [digit] = float.NegativeInfinity },
            },
            "No token goes on or ends as the structured output has to");
    }

    /// <summary>Arrays in arrays whose second item tells what the first one was: after each bracket the states are twice as many.</summary>
    [Fact]
    public async Task A_grammar_that_grows_too_large_while_a_text_is_made_ends_that_text_alone()
    {
        var levels = Enumerable.Range(0, 30).Select(level => $$"""
            "{{level}}": {"anyOf": [{"const": 0}, {"$ref": "#/$defs/{{level}}true"}, {"$ref": "#/$defs/{{level}}false"}]},
            "{{level}}true": {"type": "array", "prefixItems": [{"$ref": "#/$defs/{{level + 1}}"}, {"const": true}], "minItems": 2, "maxItems": 2},
            "{{level}}false": {"type": "array", "prefixItems": [{"$ref": "#/$defs/{{level + 1}}"}, {"const": false}], "minItems": 2, "maxItems": 2},
            """);
        string schema = $$"""{"$ref": "#/$defs/0", "$defs": { {{string.Concat(levels)}} "30": {"const": 0} } }""";
        using var engine = SteerEngine.Load(Pair);
        var greedy = new GenerationRequest
        {
            Prompt = "A",
            Sampling = new SamplingParams
            {
                Temperature = 0,
                MaxTokens = 60,
                StructuredOutput = new StructuredOutput { Json = schema },
                LogitBias = new Dictionary<int, float> { [engine.Tokenizer!.Encode("0", addSpecialTokens: false).Single()] = float.NegativeInfinity },
            },
        };
        var others = Enumerable.Range(0, 3).Select(i => Request(new StructuredOutput { Regex = "[a-z ]{40}" }, n: 1) with { Seed = (ulong)i });
        var beside = All(engine, others);
        var error = await Assert.ThrowsAsync<SteerException>(() => All(engine, [greedy]));
        Assert.StartsWith("Structured output: the grammar needs too many states", error.Message, StringComparison.Ordinal);
        Assert.Equal(3, (await beside).Count);
        Assert.Single(await All(engine, [greedy with { Sampling = new SamplingParams { MaxTokens = 2 } }]));
    }

    private static async Task<List<GenerationResult>> All(SteerEngine engine, IEnumerable<GenerationRequest> requests)
    {
        var results = new List<GenerationResult>();
        await foreach (var result in engine.GenerateAsync(requests))
            results.Add(result);
        return results;
    }

    private static int TokenOf(string text)
    {
        using var engine = SteerEngine.Load(Pair);
        return engine.Tokenizer!.Encode(text, addSpecialTokens: false).Single();
    }

    private static async Task Refused(SamplingParams sampling, string message)
    {
        var error = await Assert.ThrowsAsync<SteerException>(() => Run(Pair, new GenerationRequest { Prompt = "A", Sampling = sampling }));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    private static bool Fits(StructuredOutput output, string text) => output switch
    {
        { Regex: { } regex } => Regex.IsMatch(text, $"^(?:{regex})$"),
        { Json: not null } => JsonDocument.Parse(text).RootElement is var json
            && json.EnumerateObject().Select(m => m.Name).SequenceEqual(["name", "kind", "mass"])
            && json.GetProperty("name").GetString()!.Length <= 12 && json.GetProperty("mass").GetInt32() is >= 1 and <= 99,
        _ => output.Choices!.Any(c => output.Prefix + c == text),
    };

    private static GenerationRequest Request(StructuredOutput output, int n) => new()
    {
        Prompt = "State one new hypothesis in astronomy.\nHypothesis:",
        Negatives = ["Dark matter is cold."],
        Guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f },
        Sampling = new SamplingParams { N = n, MaxTokens = 90, LogProbs = 2, StructuredOutput = output },
        Seed = 5,
    };

    private static async Task<(List<GenerationResult> Results, EngineStatistics Statistics)> Run(
        EngineOptions options, params GenerationRequest[] requests)
    {
        using var engine = SteerEngine.Load(options);
        var results = await All(engine, requests);
        return (results, engine.Statistics);
    }

    private static void Same(List<GenerationResult> expected, List<GenerationResult> actual)
    {
        Assert.Equal(expected.Select(r => r.TokenIds), actual.Select(r => r.TokenIds));
        foreach (var (a, b) in expected.Zip(actual))
        {
            Assert.Equal(a.LogProbs!.Select(l => l.LogProb), b.LogProbs!.Select(l => l.LogProb));
            Assert.Equal(a.LogProbs!.SelectMany(l => l.BranchLogProbs), b.LogProbs!.SelectMany(l => l.BranchLogProbs));
        }
    }
}
