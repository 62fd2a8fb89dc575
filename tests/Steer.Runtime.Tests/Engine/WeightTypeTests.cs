using System.Globalization;
using System.Text.Json;
using Steer.Kernels;
using Steer.Kernels.Host;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Xunit.Abstractions;

namespace Steer.Runtime.Tests.Engine;

/// <summary>What each choice of --weights and --kv-cache costs: the perplexity of the embedded base on held-out texts, against float32 weights and activations.</summary>
public class WeightTypeTests(ITestOutputHelper output)
{
    private const int TextsOfATask = 40;

    private static readonly string[] Tasks = ["astronomy", "commonsense", "comments"];

    private static readonly Lazy<double> Exact = new(() => NatsPerToken(Options(DType.F32)).GetAwaiter().GetResult());

    /// <summary>Type, exact activations, most that the perplexity may rise; keys and values are those of the default, bfloat16 where activations are rounded.</summary>
    public static TheoryData<DType, bool, double> Types => new()
    {
        // The base is stored in bfloat16: exact products with it, or with what float32 holds of it, are the same sums.
        { DType.BF16, true, 0 },
        // Numbers below 2^-24 are lost, and those below 2^-14 lose bits.
        { DType.F16, true, 0.0001 },
        { DType.BF16, false, 0.001 },
        { DType.Int8, false, 0.005 },
        { DType.Int8, true, 0.005 },
        { DType.Int4, false, 0.05 },
        { DType.Int4, true, 0.05 },
    };

    [Theory]
    [MemberData(nameof(Types))]
    public async Task Perplexity_rises_by_less_than_the_bound(DType type, bool exactActivations, double bound)
    {
        double nats = await NatsPerToken(Options(type) with { ExactActivations = exactActivations });
        double rise = Math.Exp(nats - Exact.Value) - 1;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{type}, exact activations {exactActivations}: {nats:F4} nats, {rise:+0.000%;-0.000%}"));
        Assert.InRange(rise, bound == 0 ? 0 : -bound, bound);
    }

    [Theory]
    [InlineData(DType.BF16, 0.001)]
    [InlineData(DType.Int8, 0.005)]
    public async Task Keys_and_values_in_fewer_bits_raise_perplexity_by_less_than_the_bound(DType type, double bound)
    {
        double nats = await NatsPerToken(Options(DType.F32) with { KvCacheType = type });
        double rise = Math.Exp(nats - Exact.Value) - 1;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"keys and values in {type}: {nats:F4} nats, {rise:+0.0000%;-0.0000%}"));
        Assert.InRange(rise, -bound, bound);
    }

    [Theory]
    [InlineData(null, false, null, DType.F32, false)]
    [InlineData(null, false, DType.BF16, DType.BF16, false)]
    [InlineData(DType.F32, false, null, DType.F32, false)]
    [InlineData(DType.BF16, false, null, DType.BF16, true)]
    [InlineData(DType.Int4, false, null, DType.BF16, true)]
    [InlineData(DType.BF16, true, null, DType.F32, false)]
    [InlineData(DType.BF16, false, DType.F32, DType.F32, true)]
    public void Keys_and_values_are_rounded_by_default_where_activations_are(DType? weights, bool exact, DType? asked, DType type, bool rounds)
    {
        var options = new EngineOptions { Base = "", Weights = weights, ExactActivations = exact, KvCacheType = asked };
        Assert.Equal(new KvCacheShape(1, 2, 3, 4, type, rounds), options.KvCacheShape(1, 2, 3, 4));
    }

    [Theory]
    [InlineData(DType.BF16)]
    [InlineData(DType.Int8)]
    [InlineData(DType.Int4)]
    public async Task Instruction_sets_give_the_same_numbers(DType type)
    {
        double? first = null;
        foreach (InstructionSet set in InstructionSets.Supported)
        {
            double nats = await NatsPerToken(Options(type) with { InstructionSet = set, Threads = 2 }, texts: 3);
            Assert.Equal(first ??= nats, nats);
        }
    }

    private static EngineOptions Options(DType type) => new() { Base = Path.Combine(GoldenFiles.Weights, "base"), Weights = type };

    private static async Task<double> NatsPerToken(EngineOptions options, int texts = TextsOfATask)
    {
        using var engine = SteerEngine.Load(options);
        var requests = new List<ScoreRequest>();
        foreach (string task in Tasks)
        {
            foreach (string line in File.ReadLines(Path.Combine(GoldenFiles.Weights, "tasks", task, "heldout.jsonl")).Take(texts))
            {
                string text = JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()!;
                int[] tokens = engine.Tokenizer!.Encode(" " + text, addSpecialTokens: false);
                requests.Add(new ScoreRequest { PromptIds = [engine.BosId!.Value], CompletionIds = tokens, Model = Variant.Base });
            }
        }

        double sum = 0;
        await foreach (var score in engine.ScoreAsync(requests))
            sum -= score.LogProb;
        return sum / requests.Sum(r => r.CompletionIds.Count);
    }
}
