using System.Text.Json;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Guidance;

/// <summary>
/// The embedded base and its experts against transformers and peft in float32 (goldens/pair): log-probabilities of held-out completions
/// under base and expert, and guided greedy texts with negatives.
/// </summary>
public class EmbeddedPairTests
{
    public static TheoryData<string> Tasks => ["astronomy", "commonsense", "comments", "astronomy-full"];

    /// <summary>
    /// Sums over up to 90 tokens of log-softmax values over 4,096 float32 logits. Each term is good to about 1e-5 on either side.
    /// </summary>
    private const double SumTolerance = 2e-3;

    [Theory]
    [MemberData(nameof(Tasks))]
    public async Task Held_out_completions_have_the_stored_log_probabilities(string task)
    {
        using var golden = JsonDocument.Parse(File.ReadAllText(GoldenFiles.Find("pair/embedded_pair.json")));
        var stored = golden.RootElement.GetProperty("tasks").GetProperty(task);
        using var engine = Load(task);
        int[] prompt = Ids(stored.GetProperty("prompt_ids"));
        Assert.Equal(prompt, engine.Tokenizer!.Encode(stored.GetProperty("prompt").GetString()!, addSpecialTokens: true));
        foreach (var (model, name) in new[] { (Variant.Base, "base"), (Variant.Expert, "expert") })
        {
            var scores = stored.GetProperty("scores").EnumerateArray().ToList();
            var requests = scores.Select(s => new ScoreRequest { PromptIds = prompt, CompletionIds = Ids(s.GetProperty("ids")), Model = model });
            int i = 0;
            await foreach (var score in engine.ScoreAsync(requests))
            {
                double expected = scores[i++].GetProperty(name).GetDouble();
                Assert.True(Math.Abs(expected - score.LogProb) < SumTolerance, $"{name} {i}: {score.LogProb} instead of {expected}.");
            }

            Assert.Equal(scores.Count, i);
        }
    }

    [Theory]
    [MemberData(nameof(Tasks))]
    public async Task Guided_greedy_texts_are_the_stored_ones(string task)
    {
        using var golden = JsonDocument.Parse(File.ReadAllText(GoldenFiles.Find("pair/embedded_pair.json")));
        var stored = golden.RootElement.GetProperty("tasks").GetProperty(task);
        using var engine = Load(task);
        foreach (var run in stored.GetProperty("greedy").EnumerateArray())
        {
            string negatives = string.Join(" ", run.GetProperty("negatives").EnumerateArray().Select(n => n.GetString()));
            Assert.Equal(Ids(run.GetProperty("negative_ids")), engine.Tokenizer!.Encode(negatives, addSpecialTokens: false));

            // Each step is fed the stored tokens, so that one undecided step does not spoil the rest.
            int[] tokens = Ids(run.GetProperty("token_ids"));
            double?[] gaps = [.. run.GetProperty("gaps").EnumerateArray().Select(g => g.ValueKind == JsonValueKind.Null ? (double?)null : g.GetDouble())];
            for (int step = 0; step < tokens.Length; step++)
            {
                var request = new GenerationRequest
                {
                    PromptIds = [.. Ids(stored.GetProperty("prompt_ids")), .. tokens[..step]],
                    NegativeIds = [.. Ids(run.GetProperty("negative_ids")), .. tokens[..step]],
                    Guidance = new GuidanceParams
                    {
                        Gamma = run.GetProperty("gamma").GetSingle(), Eta = run.GetProperty("eta").GetSingle(), Alpha = run.GetProperty("alpha").GetSingle(),
                    },
                    Sampling = new SamplingParams { Temperature = 0, MaxTokens = 1, LogProbs = 2 },
                };
                await foreach (var result in engine.GenerateAsync([request]))
                {
                    // A gap of null: the mask left one token. Below 1e-3 float32 may order the two best either way.
                    if (gaps[step] is < 1e-3)
                        Assert.Contains(tokens[step], result.LogProbs![0].Alternatives.Select(a => a.TokenId));
                    else
                        Assert.Equal(tokens[step], result.TokenIds[0]);
                }
            }

            Assert.Equal(run.GetProperty("text").GetString(), engine.Tokenizer.Decode(tokens, skipSpecialTokens: true));
        }
    }

    private static SteerEngine Load(string task) => SteerEngine.Load(new EngineOptions
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = Path.Combine(GoldenFiles.Weights, "experts", task),
        MaxBatch = 8,
    });

    private static int[] Ids(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];
}
