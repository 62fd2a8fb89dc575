using Microsoft.Extensions.DependencyInjection;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Hosting;

/// <summary>What a host loads and how it uses it; see <see cref="SteerServiceCollectionExtensions.AddSteer"/>.</summary>
public sealed class SteerOptions
{
    /// <summary>What to load; must be set.</summary>
    public EngineOptions? Engine { get; set; }

    /// <summary>What all chats have beside their messages, such as guidance, negatives and sampling.</summary>
    public GenerationRequest ChatDefaults { get; set; } = new();

    /// <summary>Whose states are the embeddings.</summary>
    public Variant EmbeddingModel { get; set; } = Variant.Base;
}
