using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Steer.Runtime;
using Steer.Runtime.Engine;
using Steer.Runtime.Hosting;

// Where hosts look for such methods.
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers an engine with a host's services.</summary>
public static partial class SteerServiceCollectionExtensions
{
    /// <summary>
    /// Registers one engine for the whole host, loaded when it is first asked for and disposed with the host, and on top of it an
    /// <see cref="IChatClient"/> and an <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> of texts. A model that cannot be loaded throws a
    /// <see cref="SteerException"/> where a service is first asked for; ask for <see cref="SteerEngine"/> when the host starts to know at once.
    /// The host's log has a line about what was loaded, and each of <see cref="SteerEngine.Warnings"/>.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Sets what to load; called once, at once.</param>
    /// <exception cref="SteerException">No model is set, or an option is out of range.</exception>
    public static IServiceCollection AddSteer(this IServiceCollection services, Action<SteerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        var options = new SteerOptions();
        configure(options);
        var engine = options.Engine ?? throw new SteerException("AddSteer has no model: set Engine to what to load.");
        engine.Check();
        services.AddSingleton(
            host => Load(() => SteerEngine.Load(engine), host.GetService<ILogger<SteerEngine>>() ?? NullLogger<SteerEngine>.Instance));
        services.AddSingleton<IChatClient>(host => new SteerChatClient(host.GetRequiredService<SteerEngine>(), options.ChatDefaults));
        services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
            host => new EngineEmbeddingGenerator(host.GetRequiredService<SteerEngine>(), options.EmbeddingModel));
        return services;
    }

    /// <summary>Loads an engine and tells the log of it.</summary>
    internal static SteerEngine Load(Func<SteerEngine> load, ILogger logger)
    {
        long start = Stopwatch.GetTimestamp();
        SteerEngine engine = load();
        LogLoaded(logger, engine.ModelName, engine.DeviceDescription, Stopwatch.GetElapsedTime(start).TotalSeconds);
        foreach (string warning in engine.Warnings)
            LogWarning(logger, warning);
        return engine;
    }

    [LoggerMessage(1, LogLevel.Information, "{Model} loaded in {Seconds:F1} s on {Device}")]
    private static partial void LogLoaded(ILogger logger, string model, string device, double seconds);

    [LoggerMessage(2, LogLevel.Warning, "{Warning}")]
    private static partial void LogWarning(ILogger logger, string warning);
}
