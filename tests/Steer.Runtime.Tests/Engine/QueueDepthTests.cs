using Steer.Kernels;
using Steer.Kernels.Gpu;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Engine;

/// <summary>
/// Decode steps that are queued with no word from the host give what single steps give, to the bit, on the CPU device and on ILGPU's CPU
/// accelerator: whatever ends a text, changes its biases, or takes its cache away.
/// </summary>
public class QueueDepthTests
{
    private static readonly Dictionary<string, (List<GenerationResult> Results, EngineStatistics Statistics)> SingleSteps = [];

    /// <summary>A tiny model with an adapter, and a tokenizer that knows its tokens and more: the emulator takes its time.</summary>
    private static readonly EngineOptions Tiny = new()
    {
        Base = GoldenFiles.Find("models/llama"), Expert = GoldenFiles.Find("adapters/llama-qv"), Tokenizer = Path.Combine(GoldenFiles.Weights, "base"),
        MaxBatch = 4, QueueDepth = 1, Threads = 1,
    };

    private static readonly EngineOptions Pair = Tiny with
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"), Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
    };

    public static TheoryData<string, int> Depths => TestDevices.With(TestDevices.All, [4, 16]);

    [Theory]
    [MemberData(nameof(Depths))]
    public async Task Any_depth_gives_the_bits_of_single_steps(string device, int depth)
    {
        var (expected, single) = await SingleStepsOf(device);
        var (actual, queued) = await Run(Tiny with { Device = device, QueueDepth = depth }, Requests());
        Same(expected, actual);
        Assert.Equal((single.GeneratedTokens, single.FinishedTexts, single.DecodeRows), (queued.GeneratedTokens, queued.FinishedTexts, queued.DecodeRows));
        Assert.True(queued.Rounds < single.Rounds, "No step was queued: the case tests nothing.");
        Assert.Contains(actual, r => r.FinishReason == FinishReason.Length);
        Assert.Contains(actual, r => r.FinishReason == FinishReason.Stop);
    }

    [Theory]
    [InlineData("cpu", 4, "preemption")]
    [InlineData("cpu", 16, "preemption")]
    [InlineData("cpu", 16, "chunked prefill")]
    [InlineData("ilgpu-cpu", 16, "preemption")]
    [InlineData("ilgpu-cpu", 4, "chunked prefill")]
    public async Task A_text_that_is_interrupted_gives_the_same_bits(string device, int depth, string way)
    {
        // Samples of one request are given to the engine at once: three texts meet, however late this thread runs.
        GenerationRequest[] requests =
            [.. Requests().Take(1).Select(r => r with { Sampling = r.Sampling with { N = 3, MaxTokens = 70, IgnoreEos = true, Stop = [], StopTokenIds = [] } })];
        var options = Tiny with { Device = device, SharePrefixes = false };
        var (expected, roomy) = await Run(options, requests);
        options = options with { QueueDepth = depth };
        options = way == "preemption" ? options with { Memory = roomy.KvPeakBytes * 2 / 3 } : options with { MaxBatchedTokens = 16 };
        var (actual, statistics) = await Run(options, requests);
        Same(expected, actual);
        Assert.True(way != "preemption" || statistics.Preemptions > 0, "Nothing was preempted: the case tests nothing.");
    }

    [Fact]
    public async Task The_embedded_pair_with_three_branches_gives_the_same_bits_on_the_emulator()
    {
        var request = new GenerationRequest
        {
            Prompt = "State one new hypothesis in astronomy.", Negatives = ["Dark matter is cold."], Seed = 3,
            Guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f },
            Sampling = new SamplingParams { MaxTokens = 20, IgnoreEos = true, LogProbs = 3 },
        };
        var (expected, _) = await Run(Pair with { Device = "ilgpu-cpu" }, [request]);
        var (actual, statistics) = await Run(Pair with { Device = "ilgpu-cpu", QueueDepth = 16 }, [request]);
        Same(expected, actual);
        Assert.Equal(3, statistics.Rounds); // the prompt with the first token, 16, and the last 3
        Assert.Equal(["expert", "base", "negative"], actual[0].Branches);
    }

    [Fact]
    public async Task The_host_waits_for_the_device_at_most_once_for_16_tokens()
    {
        using var engine = SteerEngine.Load(Tiny with { Device = "ilgpu-cpu", QueueDepth = null });
        var request = Requests()[0] with { Sampling = new SamplingParams { N = 2, MaxTokens = 49, IgnoreEos = true, LogProbs = 2 } };
        await Collect(engine, [request]);
        Assert.Equal(98, engine.Statistics.GeneratedTokens);
        Assert.InRange(engine.Statistics.Synchronisations, 1, 98 / 16);
    }

    [Fact]
    public async Task Sixteen_steps_upload_allocate_and_wait_no_more_than_two()
    {
        var device = IlgpuDevice.Create("ilgpu-cpu");
        using var engine = SteerEngine.Load(Tiny with { QueueDepth = 16 }, device);
        async Task<DeviceCounters> Cost(int tokens)
        {
            // The first token comes with the prompt, the others in one round.
            var request = Requests()[0] with { Sampling = new SamplingParams { MaxTokens = 1 + tokens, IgnoreEos = true, LogProbs = 2 } };
            var before = device.Counters;
            await Collect(engine, [request]);
            var after = device.Counters;
            return new DeviceCounters(
                after.Synchronisations - before.Synchronisations, after.Uploads - before.Uploads, after.Allocations - before.Allocations);
        }

        await Cost(16); // takes workspaces
        var two = await Cost(2);
        Assert.Equal(two, await Cost(16));
        Assert.Equal((2, 0), (two.Synchronisations, two.Allocations));
    }

    [Fact]
    public async Task A_text_that_is_left_while_steps_are_queued_leaves_the_others_alone()
    {
        using var engine = SteerEngine.Load(Tiny with { QueueDepth = 16 });
        var request = Requests()[1];
        var expected = (await Collect(engine, [request]))[0];
        var other = Collect(engine, [request]);
        await foreach (var token in engine.StreamAsync(request with { Sampling = new SamplingParams { MaxTokens = 200, IgnoreEos = true } }))
            break;
        Same([expected], await other);
    }

    private static async Task<(List<GenerationResult> Results, EngineStatistics Statistics)> SingleStepsOf(string device)
    {
        if (!SingleSteps.TryGetValue(device, out var run))
            SingleSteps.Add(device, run = await Run(Tiny with { Device = device }, Requests()));
        return run;
    }

    /// <summary>Texts of three branches that end by all there is.</summary>
    private static GenerationRequest[] Requests()
    {
        var plain = new SamplingParams { MaxTokens = 24, LogProbs = 3 };
        SamplingParams[] sampling =
        [
            plain with { MaxTokens = 37, IgnoreEos = true, RepetitionPenalty = 1.2f, FrequencyPenalty = 0.1f },
            plain with { MaxTokens = 60, Stop = ["er", "a"], MinTokens = 6, PresencePenalty = 0.2f },
            plain with { MaxTokens = 60, MinTokens = 21, StopTokenIds = [.. Enumerable.Range(100, 90)], LogitBias = new Dictionary<int, float> { [300] = 2 } },
            plain with { Temperature = 0, MaxTokens = 40, IgnoreEos = true },
            plain with { MaxTokens = 1 },
            plain with { LogProbs = null, TopP = 0.8f, MaxTokens = 17 },
            plain with { TopK = 5, MaxTokens = 33, LogProbs = 0 },
        ];
        return
        [
            .. sampling.Select((s, i) => new GenerationRequest
            {
                PromptIds = [1, .. Enumerable.Range(20 + i, 25 + i)],
                NegativeIds = [1, .. Enumerable.Range(150, 9 + 7 * i)],
                Guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f },
                Sampling = s,
                Seed = Seeds.Derive(11, i),
            }),
        ];
    }

    private static async Task<(List<GenerationResult> Results, EngineStatistics Statistics)> Run(EngineOptions options, IEnumerable<GenerationRequest> requests)
    {
        using var engine = SteerEngine.Load(options);
        return (await Collect(engine, requests), engine.Statistics);
    }

    private static async Task<List<GenerationResult>> Collect(SteerEngine engine, IEnumerable<GenerationRequest> requests)
    {
        var results = new List<GenerationResult>();
        await foreach (var result in engine.GenerateAsync(requests, ordered: true))
            results.Add(result);
        return results;
    }

    private static void Same(List<GenerationResult> expected, List<GenerationResult> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (one, other) in expected.Zip(actual))
        {
            Assert.Equal(one.TokenIds, other.TokenIds);
            Assert.Equal((one.Text, one.FinishReason), (other.Text, other.FinishReason));
            Assert.Equal(Bits(one), Bits(other));
        }
    }

    private static IEnumerable<int> Bits(GenerationResult result) => (result.LogProbs ?? []).SelectMany(
        t => t.BranchLogProbs.Concat(t.Alternatives.Select(a => a.LogProb)).Append(t.LogProb).Append(t.Entropy).Select(BitConverter.SingleToInt32Bits));
}
