using Steer.Runtime.Checkpoints;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Models;

/// <summary>Greedy generation against the stored tokens of a golden folder.</summary>
internal static class GreedyCheck
{
    public static async Task Run(SteerEngine engine, string folder)
    {
        using var expected = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        int[][] prompts = Rows(expected, "greedy_prompt"), outputs = Rows(expected, "greedy_ids");
        var requests = prompts.Select((prompt, i) => new GenerationRequest
        {
            PromptIds = prompt,
            Guidance = new GuidanceParams { Preset = GuidancePreset.Plain },
            Sampling = new SamplingParams { Temperature = 0, MaxTokens = outputs[i].Length - prompt.Length, IgnoreEos = true },
        });
        int row = 0;
        await foreach (var result in engine.GenerateAsync(requests, ordered: true))
            Assert.Equal(outputs[row++], prompts[result.RequestIndex].Concat(result.TokenIds));
        Assert.Equal(prompts.Length, row);
    }

    public static int[][] Rows(SafetensorsFile file, string name)
    {
        long[] values = file.ReadIntegers(name);
        int columns = (int)file.Tensor(name).Shape[^1];
        return [.. values.Select(v => (int)v).Chunk(columns)];
    }
}
