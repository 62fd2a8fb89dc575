using Steer.Kernels;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Engine;

/// <summary>
/// A text is the same bits whatever runs beside it and however it is computed: tokens and log-probabilities are compared for equality,
/// never within a tolerance.
/// </summary>
public class ExactnessTests
{
    private static readonly string Base = Path.Combine(GoldenFiles.Weights, "base");
    private static readonly string Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy");
    private static readonly GenerationTask Task = GenerationTask.Load(Path.Combine(GoldenFiles.Weights, "tasks", "astronomy"));
    private static readonly NegativePool Pool = new(TextFile.Read(Task.Real!));

    private static readonly EngineOptions Plain = new() { Base = Base, Expert = Expert, Threads = 1, MaxBatch = 1, SharePrefixes = false };

    /// <summary>Ways to run the same requests; each must change how the work is done, and is asked below whether it did.</summary>
    public static TheoryData<string> Ways => ["batch of 64", "two threads", "shared prefixes", "chunked prefill", "preemption", "f32 weights"];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_text_is_the_same_bits(string way)
    {
        // Three samples of a request are given to the engine at once, so that at least three texts meet in a batch on the slowest machine.
        var requests = Requests(way == "batch of 64" ? 22 : 2).Select(r => r with { Sampling = r.Sampling with { N = 3 } }).ToList();
        var (expected, alone) = await Run(Plain, requests.Take(2));
        var options = way switch
        {
            "batch of 64" => Plain with { MaxBatch = 64 },
            "two threads" => Plain with { Threads = 2, MaxBatch = 6 },
            "shared prefixes" => Plain with { MaxBatch = 6, SharePrefixes = true },
            "chunked prefill" => Plain with { MaxBatch = 6, MaxBatchedTokens = 16 },
            "preemption" => Plain with { MaxBatch = 3, Memory = 3 * alone.KvPeakBytes - 1 }, // three texts begin, but cannot all end
            "f32 weights" => Plain with { Weights = DType.F32, MaxBatch = 6 },
            _ => throw new ArgumentOutOfRangeException(nameof(way)),
        };
        var (actual, statistics) = await Run(options, requests);

        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i].TokenIds, actual[i].TokenIds);
            Assert.Equal(Bits(expected[i]), Bits(actual[i]));
        }

        Assert.True(way != "preemption" || statistics.Preemptions > 0, "Nothing was preempted: the case tests nothing.");
        Assert.True(way != "shared prefixes" || statistics.SharedRows > 0, "Nothing was shared: the case tests nothing.");
    }

    [Fact]
    public async Task Gamma_and_eta_of_zero_are_plain_sampling_with_one_branch()
    {
        var guided = Requests(4).Select(r => r with { Guidance = new GuidanceParams { Gamma = 0, Eta = 0 } });
        var plain = Requests(4).Select(r => r with { Guidance = new GuidanceParams { Preset = GuidancePreset.Plain }, Negatives = [] });
        var (expected, _) = await Run(Plain with { MaxBatch = 4 }, plain);
        var (actual, _) = await Run(Plain with { MaxBatch = 4 }, guided);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(["expert"], actual[i].Branches);
            Assert.Equal(expected[i].TokenIds, actual[i].TokenIds);
            Assert.Equal(Bits(expected[i]), Bits(actual[i]));
        }
    }

    [Fact]
    public async Task A_full_expert_runs_in_the_batch_of_its_base_and_gives_the_bits_that_it_gives_alone()
    {
        string full = Path.Combine(GoldenFiles.Weights, "experts", "astronomy-full");
        var (both, _) = await Run(Plain with { Expert = full, MaxBatch = 6 }, Requests(6));
        var (alone, _) = await Run(Plain with { Expert = full }, Requests(6));
        for (int i = 0; i < both.Count; i++)
            Assert.Equal(Bits(alone[i]), Bits(both[i]));
    }

    [Fact]
    public async Task A_printed_seed_makes_its_text_again()
    {
        var request = Requests(1)[0] with { Negatives = [] };
        var many = request with { Sampling = request.Sampling with { N = 5 } };
        var (texts, _) = await Run(Plain with { MaxBatch = 5 }, [many]);
        var (again, _) = await Run(Plain, [request with { Seed = texts[3].Seed }]);
        Assert.Equal(texts[3].TokenIds, again[0].TokenIds);
        Assert.Equal(5, texts.Select(t => t.Seed).Distinct().Count());
    }

    private static List<GenerationRequest> Requests(int count) =>
    [
        .. Enumerable.Range(0, count).Select(i => new GenerationRequest
        {
            Prompt = Task.Prompt,
            Negatives = [.. Pool.Draw((ulong)(i / 2), 4).Select(n => Pool[n])],
            Guidance = new GuidanceParams { Gamma = 0.3f, Eta = 0.2f },
            Sampling = new SamplingParams { MaxTokens = 40, IgnoreEos = true, LogProbs = 3, RepetitionPenalty = i % 2 == 0 ? 1 : 1.1f },
            Seed = Seeds.Derive(7, i),
        }),
    ];

    private static async Task<(List<GenerationResult> Results, EngineStatistics Statistics)> Run(EngineOptions options, IEnumerable<GenerationRequest> requests)
    {
        using var engine = SteerEngine.Load(options);
        var results = new List<GenerationResult>();
        await foreach (var result in engine.GenerateAsync(requests, ordered: true))
            results.Add(result);
        return (results, engine.Statistics);
    }

    private static IEnumerable<int> Bits(GenerationResult result) => result.LogProbs!.SelectMany(
        t => t.BranchLogProbs.Concat(t.Alternatives.Select(a => a.LogProb)).Append(t.LogProb).Append(t.Entropy).Select(BitConverter.SingleToInt32Bits));
}
