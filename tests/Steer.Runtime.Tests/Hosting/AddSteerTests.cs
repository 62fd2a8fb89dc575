using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Steer.Kernels.Gpu;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Steer.Runtime.Hosting;
using Steer.Runtime.Tests.Chat;

namespace Steer.Runtime.Tests.Hosting;

/// <summary>AddSteer registers one engine, a chat client and an embedding generator over it.</summary>
public sealed class AddSteerTests
{
    [Fact]
    public async Task One_engine_is_loaded_when_it_is_asked_for_and_disposed_with_the_host()
    {
        using var tokenizer = new ChatTokenizer("{% for m in messages %}{{ m.content }}\n{% endfor %}>");
        var services = new ServiceCollection();
        services.AddSteer(options =>
        {
            options.Engine = new EngineOptions
            {
                Base = Path.Combine(GoldenFiles.Weights, "base"),
                Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
                Tokenizer = tokenizer.Folder,
            };
            options.ChatDefaults = new GenerationRequest { Guidance = new GuidanceParams { Gamma = 0.3f }, Sampling = new() { MaxTokens = 4 } };
            options.EmbeddingModel = Variant.Expert;
        });
        SteerEngine engine;
        await using (var host = services.BuildServiceProvider())
        {
            var chat = host.GetRequiredService<IChatClient>();
            engine = host.GetRequiredService<SteerEngine>();
            Assert.Same(engine, chat.GetService<SteerEngine>());
            var response = await chat.GetResponseAsync("Name a star.");
            Assert.Equal(["expert", "base"], Assert.IsType<GenerationResult>(response.RawRepresentation).Branches);

            var embeddings = host.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
            var vectors = new List<float[]>();
            await foreach (float[] vector in engine.EmbedAsync(["The sun."], Variant.Expert))
                vectors.Add(vector);
            var same = new EmbeddingGenerationOptions { Dimensions = vectors[0].Length };
            Assert.Equal(vectors[0], (await embeddings.GenerateAsync(["The sun."], same))[0].Vector.ToArray());
            var fewer = new EmbeddingGenerationOptions { Dimensions = 10 };
            var refused = await Assert.ThrowsAsync<SteerException>(() => embeddings.GenerateAsync(["The sun."], fewer));
            Assert.Equal("10 dimensions are asked for, and the model's embeddings have 256: leave Dimensions out.", refused.Message);
        }

        await Assert.ThrowsAnyAsync<ObjectDisposedException>(async () =>
        {
            await foreach (var token in engine.StreamAsync(new GenerationRequest { Prompt = "a" }))
                Assert.NotNull(token);
        });
    }

    [Fact]
    public void The_log_of_the_host_tells_what_was_loaded()
    {
        var lines = new Lines();
        var services = new ServiceCollection();
        services.AddSingleton<ILogger<SteerEngine>>(lines);
        services.AddSteer(o => o.Engine = new EngineOptions { Base = Path.Combine(GoldenFiles.Weights, "base") });
        using var host = services.BuildServiceProvider();
        _ = host.GetRequiredService<SteerEngine>();
        Assert.Matches(@"^Information: base loaded in [0-9.]+ s on cpu", Assert.Single(lines));
    }

    [Fact]
    public void The_log_of_the_host_tells_what_was_done_otherwise_than_asked()
    {
        var lines = new Lines();
        var options = new EngineOptions { Base = Path.Combine(GoldenFiles.Weights, "base"), Memory = 192 << 20 };
        using var engine = SteerServiceCollectionExtensions.Load(
            () => SteerEngine.Load(options, IlgpuDevice.Create("ilgpu-cpu", memoryLimit: 128 << 20)), lines);
        Assert.Equal("Warning: " + Assert.Single(engine.Warnings), lines[1]);
    }

    [Fact]
    public void A_wrong_model_is_told_where_a_service_is_asked_for_and_wrong_options_at_once()
    {
        var services = new ServiceCollection();
        Assert.Contains("AddSteer has no model", Assert.Throws<SteerException>(() => services.AddSteer(_ => { })).Message, StringComparison.Ordinal);
        var e = Assert.Throws<SteerException>(() => services.AddSteer(o => o.Engine = new EngineOptions { Base = "x", MaxBatch = 0 }));
        Assert.Contains("max-batch is 0", e.Message, StringComparison.Ordinal);
        services.AddSteer(o => o.Engine = new EngineOptions { Base = "no-such-folder" });
        using var host = services.BuildServiceProvider();
        Assert.Contains("no-such-folder", Assert.Throws<SteerException>(host.GetRequiredService<IChatClient>).Message, StringComparison.Ordinal);
    }

    private sealed class Lines : List<string>, ILogger<SteerEngine>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Add(FormattableString.Invariant($"{logLevel}: {formatter(state, exception)}"));
    }
}
