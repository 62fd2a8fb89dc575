using System.Text.Json;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Models;

/// <summary>A llama2.c checkpoint with its vocabulary against run.c of karpathy/llama2.c: 200 greedy tokens, and logits at six positions.</summary>
public class Llama2cTests
{
    [Fact]
    public async Task Stories260K_tells_the_story_of_run_c()
    {
        string folder = GoldenFiles.Find("stories260K");
        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "golden.json")));
        int[] ids = [.. golden.RootElement.GetProperty("greedy_ids").EnumerateArray().Select(e => e.GetInt32())];
        using var engine = SteerEngine.Load(new EngineOptions
        {
            Base = Path.Combine(folder, "stories260K.bin"), Tokenizer = Path.Combine(folder, "tok512.bin"), MaxBatch = 2,
        });
        var request = new GenerationRequest
        {
            PromptIds = ids[..1],
            Guidance = new GuidanceParams { Preset = GuidancePreset.Plain },
            Sampling = new SamplingParams { Temperature = 0, MaxTokens = ids.Length - 1, IgnoreEos = true },
        };
        await foreach (var result in engine.GenerateAsync([request]))
        {
            Assert.Equal(ids[1..], result.TokenIds);
            Assert.StartsWith("Once upon a time, there was a little girl named Lily.", result.Text, StringComparison.Ordinal);
        }

        var score = new ScoreRequest { PromptIds = ids[..1], CompletionIds = ids[1..], Model = Variant.Base, KeepLogits = true };
        await foreach (var scored in engine.ScoreAsync([score]))
        {
            foreach (var stored in golden.RootElement.GetProperty("logits_at_position").EnumerateObject())
            {
                float[] logits = scored.Logits![int.Parse(stored.Name, System.Globalization.CultureInfo.InvariantCulture)];
                foreach (var (expected, actual) in stored.Value.EnumerateArray().Zip(logits))
                    Assert.Equal(expected.GetDouble(), actual, 2e-4); // run.c adds in another order; its own error against float64 is 1.7e-5
            }
        }
    }
}
