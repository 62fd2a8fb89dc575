using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Engine;

/// <summary>
/// Models of different shapes in one guided step: each shape has its own forward pass, and one kernel combines their logits. The guided
/// log-probabilities are held against the formula evaluated in float64 on the raw logits of each model alone.
/// </summary>
public class MixedShapesTests
{
    [Fact]
    public async Task Proxy_tuning_of_a_larger_model_equals_the_formula()
    {
        using var engine = SteerEngine.Load(new EngineOptions
        {
            Base = GoldenFiles.Find("models/llama"),
            Expert = GoldenFiles.Find("adapters/llama-qv"),
            Large = GoldenFiles.Find("models/qwen3"),
            MaxBatch = 4,
        });
        int[] prompt = [1, 28, 205, 156], completion = [376, 96, 67, 363, 5, 24, 263];
        var guided = await Score(engine, new ScoreRequest
        {
            PromptIds = prompt, CompletionIds = completion, Guidance = new GuidanceParams { Preset = GuidancePreset.Proxy, Gamma = 0.7f },
        });
        var models = new List<double[][]>();
        foreach (var model in new[] { Variant.Large, Variant.Expert, Variant.Base })
        {
            var alone = await Score(engine, new ScoreRequest { PromptIds = prompt, CompletionIds = completion, Model = model, KeepLogits = true });
            models.Add([.. alone.Logits!.Select(LogSoftmax)]);
        }

        Assert.Equal(["large", "expert", "base"], guided.Branches);
        for (int i = 0; i < completion.Length; i++)
        {
            double[] scores = [.. models[0][i].Select((large, v) => large + 0.7f * models[1][i][v] - 0.7f * models[2][i][v])];
            double expected = scores[completion[i]] - LogSumExp(scores);
            Assert.Equal(expected, guided.LogProbs[i].LogProb, 1e-4); // float32 scores of a few units, against float64
        }
    }

    [Fact]
    public async Task An_amateur_with_a_temperature_equals_the_formula()
    {
        using var engine = SteerEngine.Load(new EngineOptions
        {
            Base = GoldenFiles.Find("models/llama"), Expert = GoldenFiles.Find("adapters/llama-qv"), MaxBatch = 4,
        });
        int[] prompt = [1, 28, 205, 156], completion = [376, 96, 67];
        var expert = await Score(engine, new ScoreRequest { PromptIds = prompt, CompletionIds = completion, Model = Variant.Expert, KeepLogits = true });
        var amateur = await Score(engine, new ScoreRequest { PromptIds = prompt, CompletionIds = completion, Model = Variant.Base, KeepLogits = true });
        var guidance = new GuidanceParams { Preset = GuidancePreset.Contrastive, Gamma = 0.8f, AmateurTemperature = 0.5f, Alpha = 0 };
        var guided = await Score(engine, new ScoreRequest { PromptIds = prompt, CompletionIds = completion, Guidance = guidance });
        for (int i = 0; i < completion.Length; i++)
        {
            double[] strong = LogSoftmax(expert.Logits![i]), weak = LogSoftmax([.. amateur.Logits![i].Select(z => z / 0.5f)]);
            double[] scores = [.. strong.Select((l, v) => l - 0.8f * weak[v])];
            Assert.Equal(scores[completion[i]] - LogSumExp(scores), guided.LogProbs[i].LogProb, 1e-4); // float32 scores of a few units, against float64
        }
    }

    private static async Task<ScoreResult> Score(SteerEngine engine, ScoreRequest request)
    {
        await foreach (var score in engine.ScoreAsync([request]))
            return score;
        throw new InvalidOperationException("No score came.");
    }

    private static double[] LogSoftmax(float[] logits)
    {
        double[] values = Array.ConvertAll(logits, x => (double)x);
        double sum = LogSumExp(values);
        return Array.ConvertAll(values, x => x - sum);
    }

    private static double LogSumExp(double[] values)
    {
        double max = values.Max();
        return max + Math.Log(values.Sum(v => Math.Exp(v - max)));
    }
}
