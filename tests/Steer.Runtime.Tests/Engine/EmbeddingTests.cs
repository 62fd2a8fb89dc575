using Microsoft.Extensions.AI;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Evaluation;
using Steer.Runtime.Guidance;
using Steer.Runtime.Hosting;

namespace Steer.Runtime.Tests.Engine;

/// <summary>Embeddings by the base: the mean of its last hidden states, whatever runs beside a text.</summary>
public sealed class EmbeddingTests
{
    private static readonly EngineOptions Options = new()
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
        Threads = 1,
        MaxBatch = 1,
    };

    private static readonly string[] Texts =
        [.. TextFile.Read(Path.Combine(GoldenFiles.Weights, "tasks", "astronomy", "heldout.jsonl")).Take(40), "a", string.Concat(Enumerable.Repeat("very long ", 600))];

    [Fact]
    public async Task Output_weights_times_an_embedding_are_the_mean_logits()
    {
        // The output layer is linear: W (mean of states) = mean of (W state), and the latter are the logits that scoring gives.
        using var engine = SteerEngine.Load(Options);
        string text = Texts[0];
        float[] embedding = await engine.EmbedAsync([text]).SingleAsync();
        int[] ids = engine.Tokenizer!.Encode(text, addSpecialTokens: false);
        int[] begin = engine.BosId is { } bos ? [bos] : [];
        int[] tokens = [.. begin, .. ids, 0];
        var score = await engine.ScoreAsync([new ScoreRequest { PromptIds = tokens[..1], CompletionIds = tokens[1..], Model = Variant.Base, KeepLogits = true }]).SingleAsync();
        var rows = score.Logits!.Skip(begin.Length).ToList();
        Assert.Equal(ids.Length, rows.Count);
        Assert.Equal((0L, 0L, 2L), (engine.Statistics.GeneratedTokens, engine.Statistics.DecodeRows, engine.Statistics.FinishedTexts));

        using var file = SafetensorsFile.Open(Path.Combine(Options.Base, "model.safetensors"));
        string name = file.Names.Contains("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
        float[] weight = file.ReadFloats(name);
        for (int token = 0; token < engine.VocabSize; token++)
        {
            double expected = rows.Average(r => (double)r[token]), actual = 0;
            for (int i = 0; i < embedding.Length; i++)
                actual += (double)weight[token * embedding.Length + i] * embedding[i];
            Assert.Equal(expected, actual, 1e-4);
        }
    }

    [Theory]
    [InlineData(64, 2, 512, false)]
    [InlineData(6, 1, 16, false)]
    [InlineData(8, 2, 512, true)]
    public async Task An_embedding_is_the_same_bits(int maxBatch, int threads, int maxBatchedTokens, bool beside)
    {
        using var one = SteerEngine.Load(Options);
        var expected = await one.EmbedAsync(Texts).ToListAsync();
        using var engine = SteerEngine.Load(Options with { MaxBatch = maxBatch, Threads = threads, MaxBatchedTokens = maxBatchedTokens });
        var request = new GenerationRequest { Prompt = "State", Sampling = new SamplingParams { N = 4, MaxTokens = 60 } };
        var others = beside ? engine.GenerateAsync([request]).ToListAsync().AsTask() : Task.CompletedTask;
        var actual = await engine.EmbedAsync(Texts).ToListAsync();
        await others;
        Assert.Equal(expected, actual);
        Assert.All(actual, e => Assert.All(e, v => Assert.True(float.IsFinite(v))));
        Assert.NotEqual(actual[0], await engine.EmbedAsync([Texts[0]], Variant.Expert).SingleAsync());
    }

    [Fact]
    public async Task The_generator_of_a_host_gives_the_engines_embeddings()
    {
        using var engine = SteerEngine.Load(Options);
        using var generator = new EngineEmbeddingGenerator(engine);
        var expected = await engine.EmbedAsync(Texts[..3]).ToListAsync();
        Assert.Equal(expected, (await generator.GenerateAsync(Texts[..3])).Select(e => e.Vector.ToArray()));
        Assert.Same(engine, ((IEmbeddingGenerator)generator).GetService(typeof(SteerEngine)));
        var matrix = await TextEmbeddings.ComputeAsync(Texts[..3], generator, "base", data: null);
        Assert.Equal(expected.SelectMany(e => e).Select(v => (double)v), matrix.Values.ToArray());
    }

    [Fact]
    public async Task A_text_without_tokens_and_a_missing_model_are_refused()
    {
        using var engine = SteerEngine.Load(Options with { Expert = null });
        await Assert.ThrowsAsync<SteerException>(async () => await engine.EmbedAsync(["one", ""]).ToListAsync());
        await Assert.ThrowsAsync<SteerException>(async () => await engine.EmbedAsync(["one"], Variant.Expert).ToListAsync());
    }
}
