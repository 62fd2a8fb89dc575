using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Engine;

/// <summary>
/// What a step takes from the managed heap, counted on the engine's thread by a check of the text, which runs there once for each token. With one thread
/// the kernels run there too; what other threads of a team take is counted by the tests of kernels.
/// </summary>
public sealed class AllocationTests
{
    // Steps of the window that is counted: all is warm before it, and between its ends nothing that doubles its room does so more than once.
    private const int From = 140, To = 250;

    [Theory]
    [InlineData("plain")]
    [InlineData("three branches")]
    [InlineData("penalties, biases and truncation")]
    public async Task A_step_takes_nothing_but_the_pieces_of_text_that_somebody_looks_at(string kind)
    {
        var request = Request(kind);
        var watch = new Watch();
        await Run(engine => engine.GenerateAsync(
            [request with { StopWhen = () => watch.Look }, .. Enumerable.Range(1, 3).Select(i => request with { Seed = (ulong)i })]));

        // Room for tokens, for text and for blocks of the cache doubles now and then: four texts of up to three contexts.
        long[] steps = watch.Steps[From..To];
        Assert.InRange(steps.Count(bytes => bytes != 0), 0, 4 * (2 + 3));
        Assert.Equal(0, steps.Order().ElementAt(steps.Length / 2));
    }

    /// <summary>A token that is passed on is an object of 40 bytes, and takes a place in a queue whose parts grow.</summary>
    [Fact]
    public async Task A_token_of_a_stream_takes_little_beside_its_text()
    {
        var watch = new Watch();
        await Run(engine => engine.StreamAsync(Request("three branches") with { StopWhen = () => watch.Look }));
        long[] steps = watch.Steps[From..To];
        Assert.Equal(40, steps.Order().ElementAt(steps.Length / 2));
        Assert.InRange(steps.Sum(), 1, 160 * (To - From));
    }

    private static async Task Run<T>(Func<SteerEngine, IAsyncEnumerable<T>> generate)
    {
        using var engine = SteerEngine.Load(new EngineOptions
        {
            Base = Path.Combine(GoldenFiles.Weights, "base"),
            Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
            MaxBatch = 4,
            Threads = 1,
        });
        await foreach (var _ in generate(engine))
        {
        }
    }

    private static GenerationRequest Request(string kind)
    {
        var sampling = new SamplingParams { MaxTokens = To + 5, IgnoreEos = true };
        return new GenerationRequest
        {
            Prompt = "State one new hypothesis in astronomy.",
            Negatives = kind == "plain" ? [] : ["Dark matter is cold."],
            Guidance = kind == "plain" ? new GuidanceParams { Preset = GuidancePreset.Plain } : new GuidanceParams { Gamma = 0.3f, Eta = 0.2f },
            Sampling = kind != "penalties, biases and truncation" ? sampling : sampling with
            {
                RepetitionPenalty = 1.1f, FrequencyPenalty = 0.1f, TopK = 100, TopP = 0.95f, MinP = 0.001f, TypicalP = 0.99f, TopNSigma = 5,
                LogitBias = new Dictionary<int, float> { [70] = 1, [71] = float.NegativeInfinity },
            },
        };
    }

    /// <summary>Counts what was taken from one token to the next, beside the token's piece of text.</summary>
    private sealed class Watch
    {
        private readonly long[] _steps = new long[To + 5];
        private int _count;
        private long _before;

        public long[] Steps => _steps;

        public bool Look(string piece)
        {
            _steps[_count++] = GC.GetAllocatedBytesForCurrentThread() - _before - SizeOf(piece);
            _before = GC.GetAllocatedBytesForCurrentThread();
            return false;
        }

        // On a 64-bit runtime: header, type, length, and the characters with a zero behind them, in whole words.
        private static long SizeOf(string text) => text.Length == 0 ? 0 : (8 + 8 + 4 + (2 * (text.Length + 1)) + 7) / 8 * 8;
    }
}
