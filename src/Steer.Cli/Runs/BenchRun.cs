using System.Diagnostics;
using Steer.Kernels;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Runs;

/// <summary>What one run of some sequences took.</summary>
/// <param name="Mode">plain, or the preset.</param>
/// <param name="Batch">Sequences at once.</param>
/// <param name="Branches">Branches of each.</param>
/// <param name="PrefillRate">Rows of prompts and negatives per second, over all branches.</param>
/// <param name="DecodeRate">Generated tokens per second, over all sequences.</param>
/// <param name="WeightRate">Bytes of weights read per second while decoding: all of them once for each step.</param>
/// <param name="Profiles">What its kernels took, where they were timed.</param>
internal sealed record BenchResult(
    string Mode, int Batch, int Branches, double PrefillRate, double DecodeRate, double WeightRate, IReadOnlyList<StepProfile> Profiles);

/// <summary>Measures whole runs on an engine: random prompts that share nothing, ends ignored, so that all sequences have the same length.</summary>
internal sealed class BenchRun(SteerEngine engine, int promptTokens, int negativeTokens, int maxTokens)
{
    // Small models are done in milliseconds, which is before their code has been compiled with optimisations, and too short to be measured.
    private static readonly TimeSpan Least = TimeSpan.FromSeconds(0.3);

    private int _runs;

    /// <summary>Runs <paramref name="batch"/> sequences to warm up and to measure, each once and for 0.3 s at least.</summary>
    public async Task<BenchResult> MeasureAsync(string mode, GuidanceParams guidance, int batch, CancellationToken stop)
    {
        await RepeatAsync(guidance, batch, stop).ConfigureAwait(false);
        var before = engine.Statistics;
        engine.TakeProfile();
        int branches = await RepeatAsync(guidance, batch, stop).ConfigureAwait(false);
        var after = engine.Statistics;
        double prefillSeconds = after.PrefillSeconds - before.PrefillSeconds, decodeSeconds = after.DecodeSeconds - before.DecodeSeconds;
        long generated = after.GeneratedTokens - before.GeneratedTokens;
        return new BenchResult(
            mode,
            batch,
            branches,
            (after.PrefillRows - before.PrefillRows) / prefillSeconds,
            generated / decodeSeconds,
            (double)generated / batch * (after.WeightBytes + after.AdapterBytes) / decodeSeconds,
            engine.TakeProfile());
    }

    private async Task<int> RepeatAsync(GuidanceParams guidance, int batch, CancellationToken stop)
    {
        long start = Stopwatch.GetTimestamp();
        int branches;
        do
            branches = await RunAsync(guidance, batch, stop).ConfigureAwait(false);
        while (Stopwatch.GetElapsedTime(start) < Least);
        return branches;
    }

    private async Task<int> RunAsync(GuidanceParams guidance, int batch, CancellationToken stop)
    {
        int branches = 0, run = _runs++;
        var requests = Enumerable.Range(0, batch).Select(i => new GenerationRequest
        {
            PromptIds = RandomIds(run, 2 * i, promptTokens),
            NegativeIds = guidance.Eta > 0 ? RandomIds(run, 2 * i + 1, negativeTokens) : null,
            Guidance = guidance,
            Sampling = new SamplingParams { MaxTokens = maxTokens, IgnoreEos = true },
            Seed = (ulong)i,
        });
        await foreach (var result in engine.GenerateAsync(requests, cancellationToken: stop).ConfigureAwait(false))
            branches = result.Branches.Count;
        return branches;
    }

    private int[] RandomIds(int run, int stream, int count)
    {
        var ids = new int[count];
        for (int i = 0; i < count; i++)
            ids[i] = (int)(Philox.Uniform((ulong)run, i, (uint)stream) * engine.VocabSize);
        return ids;
    }
}
