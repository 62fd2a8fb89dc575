using Microsoft.Extensions.AI;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Hosting;

/// <summary>Embeddings of an engine's own model, as Microsoft.Extensions.AI knows them: the mean of its last hidden states.</summary>
/// <param name="engine">Not disposed with the generator.</param>
/// <param name="model">Whose states.</param>
public sealed class EngineEmbeddingGenerator(SteerEngine engine, Variant model = Variant.Base) : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>An embedding for each text, in order. Of the options, Dimensions may say no other number than the model's.</summary>
    /// <exception cref="SteerException">A text has no tokens, or another number of dimensions is asked for.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        var embeddings = new GeneratedEmbeddings<Embedding<float>>();
        await foreach (float[] embedding in engine.EmbedAsync(values, model, cancellationToken).ConfigureAwait(false))
        {
            if (options?.Dimensions is { } dimensions && dimensions != embedding.Length)
            {
                throw new SteerException(
                    $"{dimensions} dimensions are asked for, and the model's embeddings have {embedding.Length}: leave Dimensions out.");
            }

            embeddings.Add(new Embedding<float>(embedding));
        }

        return embeddings;
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null) =>
        serviceKey is not null ? null : serviceType.IsInstanceOfType(this) ? this : serviceType.IsInstanceOfType(engine) ? engine : null;

    /// <summary>Does nothing: the engine is its owner's.</summary>
    public void Dispose()
    {
    }
}
