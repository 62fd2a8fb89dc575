using Microsoft.Extensions.AI;
using Steer.Runtime;
using Steer.Runtime.Engine;
using Steer.Runtime.Hosting;

// Where hosts look for such methods.
namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers an engine with a host's services.</summary>
public static class SteerServiceCollectionExtensions
{
    /// <summary>
    /// Registers one engine for the whole host, loaded when it is first asked for and disposed with the host, and on top of it an
    /// <see cref="IChatClient"/> and an <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> of texts. A model that cannot be loaded throws a
    /// <see cref="SteerException"/> where a service is first asked for; ask for <see cref="SteerEngine"/> when the host starts to know at once.
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
        services.AddSingleton(_ => SteerEngine.Load(engine));
        services.AddSingleton<IChatClient>(host => new SteerChatClient(host.GetRequiredService<SteerEngine>(), options.ChatDefaults));
        services.AddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
            host => new EngineEmbeddingGenerator(host.GetRequiredService<SteerEngine>(), options.EmbeddingModel));
        return services;
    }
}
