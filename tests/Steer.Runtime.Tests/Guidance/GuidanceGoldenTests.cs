using System.Text.Json;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Guidance;

/// <summary>
/// Guided greedy generation on small models: STEER and the other presets against method.md's formulas evaluated in float64 on the logits
/// of transformers and peft, classifier-free guidance against transformers' own generate. See goldens/PROVENANCE.txt.
/// </summary>
public class GuidanceGoldenTests
{
    /// <summary>Log-probabilities come from float32 logits of a few units, summed over at most three branches with weights up to 2.</summary>
    private const double LogProbTolerance = 1e-4;

    /// <summary>Where the two best scores are closer than this, float32 may order them either way.</summary>
    private const double Gap = 1e-3;

    public static TheoryData<string> Devices => [.. TestDevices.All];

    [Theory]
    [MemberData(nameof(Devices))]
    public async Task Steer_equals_float64_on_transformers_logits(string device)
    {
        using var golden = Golden("guidance/steer_greedy.json");
        foreach (var run in Runs(golden, device, 7))
        {
            using var engine = Load(device, run.GetProperty("base"), run.GetProperty("expert"));
            var request = Forced(run) with
            {
                NegativeIds = Ids(run.GetProperty("negative")),
                Guidance = new GuidanceParams
                {
                    Gamma = run.GetProperty("gamma").GetSingle(),
                    Eta = run.GetProperty("eta").GetSingle(),
                    Alpha = run.GetProperty("alpha").GetSingle(),
                    SumToOne = run.GetProperty("form").GetString() != "authors",
                    ExemptEos = run.GetProperty("eos_exempt").GetBoolean(),
                },
            };
            var result = await Single(engine, request);
            var steps = run.GetProperty("steps").EnumerateArray().ToList();
            Assert.Equal(steps.Count, result.LogProbs.Count);
            for (int i = 0; i < steps.Count; i++)
            {
                Near(steps[i].GetProperty("log_prob"), result.LogProbs[i].LogProb);
                for (int branch = 0; branch < result.Branches.Count; branch++)
                    Near(steps[i].GetProperty(result.Branches[branch]), result.LogProbs[i].BranchLogProbs[branch]);
            }

            await CheckGreedy(engine, run, request.Guidance, request.NegativeIds, steps.Select(s => GapOf(s.GetProperty("gap"))));
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public async Task Presets_equal_float64_on_transformers_logits(string device)
    {
        using var golden = Golden("guidance/presets_greedy.json");
        foreach (var run in Runs(golden, device, 3))
        {
            var preset = run.GetProperty("preset").GetString() switch
            {
                "contrastive" => GuidancePreset.Contrastive,
                "contrastive-beta" => GuidancePreset.ContrastiveBeta,
                "dexperts" => GuidancePreset.DExperts,
                "proxy" => GuidancePreset.Proxy,
                var other => throw new InvalidDataException($"Unknown preset {other} in the golden."),
            };
            var paths = run.GetProperty("variants").EnumerateArray().Select(v => v.GetString()!)
                .Zip(run.GetProperty("checkpoints").EnumerateArray(), (v, c) => (v, GoldenFiles.Find(c.GetString()!)))
                .ToDictionary(p => p.v, p => p.Item2);
            using var engine = SteerEngine.Load(new EngineOptions
            {
                Base = paths.GetValueOrDefault("base") ?? paths["small-base"],
                Expert = paths.GetValueOrDefault("expert") ?? paths["small-tuned"],
                AntiExpert = paths.GetValueOrDefault("anti-expert"),
                Large = paths.GetValueOrDefault("large"),
                MaxBatch = 4,
                Device = device,
            });
            var guidance = new GuidanceParams { Preset = preset };
            await CheckGreedy(engine, run, guidance, null, run.GetProperty("gaps").EnumerateArray().Select(GapOf));
        }
    }

    [Theory]
    [MemberData(nameof(Devices))]
    public async Task Classifier_free_guidance_equals_transformers_generate(string device)
    {
        using var golden = Golden("guidance/transformers_cfg_greedy.json");
        foreach (var run in Runs(golden, device, 3))
        {
            using var engine = Load(device, run.GetProperty("model"), null);
            var guidance = new GuidanceParams { Preset = GuidancePreset.Cfg, Gamma = run.GetProperty("guidance_scale").GetSingle() };
            var negative = run.GetProperty("negative") is { ValueKind: JsonValueKind.Array } n ? Ids(n) : null;
            await CheckGreedy(engine, run, guidance, negative, null);
        }
    }

    /// <summary>All runs; on the emulator, which is slow, one of so many, chosen to have each preset and form among them.</summary>
    private static IEnumerable<JsonElement> Runs(JsonDocument golden, string device, int every) =>
        golden.RootElement.GetProperty("runs").EnumerateArray().Where((_, i) => device != TestDevices.Emulator || i % every == 0);

    /// <summary>Free-running greedy tokens; compared up to the first stored gap that is too small to decide.</summary>
    private static async Task CheckGreedy(
        SteerEngine engine, JsonElement run, GuidanceParams guidance, IReadOnlyList<int>? negative, IEnumerable<double>? gaps)
    {
        int[] expected = Ids(run.GetProperty("token_ids"));
        var request = new GenerationRequest
        {
            PromptIds = Ids(run.GetProperty("prompt")),
            NegativeIds = negative,
            Guidance = guidance,
            Sampling = new SamplingParams { Temperature = 0, MaxTokens = expected.Length, IgnoreEos = true },
        };
        int decided = gaps?.TakeWhile(g => g >= Gap).Count() ?? expected.Length;
        Assert.True(decided > 0, "The golden decides no token.");
        await foreach (var result in engine.GenerateAsync([request]))
            Assert.Equal(expected.Take(decided), result.TokenIds.Take(decided));
    }

    /// <summary>A gap of null: the mask left one token, and there is nothing to confuse it with.</summary>
    private static double GapOf(JsonElement gap) => gap.ValueKind == JsonValueKind.Null ? double.PositiveInfinity : gap.GetDouble();

    private static ScoreRequest Forced(JsonElement run) =>
        new() { PromptIds = Ids(run.GetProperty("prompt")), CompletionIds = Ids(run.GetProperty("token_ids")) };

    private static async Task<ScoreResult> Single(SteerEngine engine, ScoreRequest request)
    {
        await foreach (var score in engine.ScoreAsync([request]))
            return score;
        throw new InvalidOperationException("No score came.");
    }

    private static void Near(JsonElement expected, float actual)
    {
        double difference = Math.Abs(expected.GetDouble() - actual);
        Assert.True(difference < LogProbTolerance, $"{actual} differs from {expected} by {difference:g3}.");
    }

    private static SteerEngine Load(string device, JsonElement model, JsonElement? expert) => SteerEngine.Load(new EngineOptions
    {
        Base = GoldenFiles.Find(model.GetString()!),
        Expert = expert is { } e ? GoldenFiles.Find(e.GetString()!) : null,
        MaxBatch = 4,
        Device = device,
    });

    private static JsonDocument Golden(string name) => JsonDocument.Parse(File.ReadAllText(GoldenFiles.Find(name)));

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];
}
