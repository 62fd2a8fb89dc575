using Steer.Runtime.Checkpoints;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Steer.Runtime.Models;
using Steer.Runtime.Tests.Checkpoints;

namespace Steer.Runtime.Tests.Engine;

/// <summary>The longest context of an engine: it cuts the window, and with rotary scaling longrope decides which factors all contexts have.</summary>
public sealed class MaxLengthTests : IDisposable
{
    private static readonly double[] ShortFactors = [1.1, 1.7], LongFactors = [2.5, 7];

    private readonly TempFolder _folder = new();

    public MaxLengthTests() => TinyModel.Write(_folder, TinyModel.Config.Replace(
        "\"rope_theta\"",
        """
        "original_max_position_embeddings": 8,
        "rope_scaling": {"rope_type": "longrope", "short_factor": [1.1, 1.7], "long_factor": [2.5, 7]}, "rope_theta"
        """));

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(null, false)]
    [InlineData(8, false)]
    [InlineData(9, true)]
    [InlineData(32, true)]
    public async Task Logits_are_those_of_a_forward_pass_in_float64_with_the_factors_of_the_length(int? maxLength, bool isLong)
    {
        int[] ids = [1, 5, 2, 8, 0, 7, 3];
        using var engine = Load(maxLength);
        float[][] logits = [.. (await Score(engine, ids)).Logits!];

        using Checkpoint checkpoint = Checkpoint.Open(_folder.Path);
        double scale = Math.Sqrt(1 + Math.Log(32 / 8) / Math.Log(8));
        float[] frequencies = [.. (isLong ? LongFactors : ShortFactors).Select((factor, i) => (float)(1 / (factor * Math.Pow(10000, i / 2.0))))];
        DecoderConfig config = checkpoint.Config with { Ropes = [new RopeConfig(frequencies, (float)scale)] };
        double[][] expected = new ReferenceDecoder(config, checkpoint.Tensors).Logits([.. ids.Select(id => (long)id)]);
        // A float32 forward pass of two layers of width 8, whose logits are a few tenths.
        for (int i = 0; i < logits.Length; i++)
            Assert.All(expected[i].Zip(logits[i]), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }

    [Theory]
    [InlineData(null, 8)]
    [InlineData(5, 5)]
    [InlineData(20, 20)]
    [InlineData(100, 32)]
    public void It_cuts_the_window(int? maxLength, int window)
    {
        using var engine = Load(maxLength);
        Assert.Equal((window, 32), (engine.MaxPositions, engine.WindowLimit));
    }

    [Fact]
    public async Task A_longer_prompt_is_refused_with_the_length_that_would_do()
    {
        using var engine = Load(null);
        int[] ids = [.. Enumerable.Repeat(1, 12)];
        Assert.Contains("the model's window is 8: shorten it, or raise --max-length, at most to 32.",
            (await Assert.ThrowsAsync<SteerException>(() => Score(engine, ids, prompt: 11))).Message);
        using var longer = Load(16);
        Assert.Single((await Score(longer, ids, prompt: 11)).LogProbs);
    }

    [Fact]
    public void It_is_at_least_one() =>
        Assert.Contains("max-length is 0: give at least 1", Assert.Throws<SteerException>(() => Load(0)).Message);

    private SteerEngine Load(int? maxLength) => SteerEngine.Load(new EngineOptions { Base = _folder.Path, MaxBatch = 1, MaxLength = maxLength });

    private static async Task<ScoreResult> Score(SteerEngine engine, int[] ids, int prompt = 1)
    {
        var request = new ScoreRequest { PromptIds = ids[..prompt], CompletionIds = ids[prompt..], Model = Variant.Base, KeepLogits = true };
        await foreach (var score in engine.ScoreAsync([request]))
            return score;
        throw new InvalidOperationException("No score came.");
    }
}
