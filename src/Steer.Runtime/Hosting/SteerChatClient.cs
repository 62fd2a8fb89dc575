using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Steer.Runtime.Engine;
using Steer.Runtime.Grammars;

namespace Steer.Runtime.Hosting;

/// <summary>
/// An engine as a chat client of Microsoft.Extensions.AI. Messages are written by the model's own chat template
/// (<see cref="SteerEngine.ChatTemplate"/>); calls from any number of threads share the engine's batch. The client holds no conversation.
/// </summary>
/// <remarks>
/// Of <see cref="ChatOptions"/> count Instructions, Temperature, TopP, TopK, MaxOutputTokens, StopSequences, Seed, FrequencyPenalty,
/// PresencePenalty and ResponseFormat, whose JSON schema every answer is made to fit. Guidance, negatives and what else a
/// <see cref="GenerationRequest"/> has come from the defaults, or, for one call, from a request that
/// <see cref="ChatOptions.RawRepresentationFactory"/> makes; what the options give wins over either. Without a seed in any of them each call draws
/// its own, and says it: AdditionalProperties["seed"] of the message makes the text again. Tools and conversations kept by the client are refused.
/// </remarks>
/// <param name="engine">Not disposed with the client.</param>
/// <param name="defaults">What all calls have beside their messages, such as guidance; null for nothing.</param>
public sealed class SteerChatClient(SteerEngine engine, GenerationRequest? defaults = null) : IChatClient
{
    /// <summary>Seeds fit a JSON number.</summary>
    private const long SeedRange = 1L << 53;

    private const string AnyObject = """{"type": "object"}""";

    private readonly GenerationRequest _defaults = defaults ?? new GenerationRequest();
    private readonly ChatClientMetadata _metadata = new("steer", defaultModelId: engine.ModelName);

    /// <inheritdoc/>
    /// <exception cref="SteerException">The request cannot be served; one line says why.</exception>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        var request = Request(messages, options);
        await foreach (var result in engine.GenerateAsync([request], cancellationToken: cancellationToken).ConfigureAwait(false))
        {
            string id = Guid.NewGuid().ToString("N");
            var message = new ChatMessage(ChatRole.Assistant, result.Text)
            {
                MessageId = id,
                AdditionalProperties = Properties(result),
                RawRepresentation = result,
            };
            return new ChatResponse(message)
            {
                ResponseId = id,
                ModelId = _metadata.DefaultModelId,
                CreatedAt = DateTimeOffset.UtcNow,
                FinishReason = Reason(result),
                Usage = Usage(result),
                RawRepresentation = result,
            };
        }

        throw new InvalidOperationException("A request gave no result.");
    }

    /// <inheritdoc/>
    /// <remarks>The last update has the finish reason and the usage, and no text where none was left.</remarks>
    /// <exception cref="SteerException">The request cannot be served; one line says why.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        StreamAsync(Request(messages, options), cancellationToken);

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return new object[] { this, engine, _metadata }.FirstOrDefault(serviceType.IsInstanceOfType);
    }

    /// <summary>Does nothing: the engine is its owner's.</summary>
    public void Dispose()
    {
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(
        GenerationRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string id = Guid.NewGuid().ToString("N");
        await foreach (var token in engine.StreamAsync(request, cancellationToken).ConfigureAwait(false))
        {
            if (token.Text.Length == 0 && token.Result is null)
                continue;
            var update = new ChatResponseUpdate(ChatRole.Assistant, token.Text)
            {
                ResponseId = id,
                MessageId = id,
                ModelId = _metadata.DefaultModelId,
                CreatedAt = DateTimeOffset.UtcNow,
                RawRepresentation = token,
            };
            if (token.Result is { } result)
            {
                update.FinishReason = Reason(result);
                update.Contents.Add(new UsageContent(Usage(result)));
                update.AdditionalProperties = Properties(result);
            }

            yield return update;
        }
    }

    private GenerationRequest Request(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        ArgumentNullException.ThrowIfNull(messages);
        Refuse(options);
        var raw = options?.RawRepresentationFactory?.Invoke(this) as GenerationRequest ?? _defaults;
        if ((raw.Prompt ?? raw.PromptIds ?? (object?)raw.Messages) is not null)
            throw new SteerException("The request for a chat has a prompt or messages of its own: give the conversation to the client alone.");
        var sampling = raw.Sampling;
        return raw with
        {
            Messages = ChatMessages.Turns(messages, options?.Instructions),
            Seed = options?.Seed is { } seed ? (ulong)seed : raw.Seed != 0 ? raw.Seed : (ulong)Random.Shared.NextInt64(SeedRange),
            Sampling = sampling with
            {
                N = 1,
                Temperature = options?.Temperature ?? sampling.Temperature,
                TopP = options?.TopP ?? sampling.TopP,
                TopK = options?.TopK ?? sampling.TopK,
                MaxTokens = options?.MaxOutputTokens ?? sampling.MaxTokens,
                FrequencyPenalty = options?.FrequencyPenalty ?? sampling.FrequencyPenalty,
                PresencePenalty = options?.PresencePenalty ?? sampling.PresencePenalty,
                Stop = options?.StopSequences is { Count: > 0 } stop ? [.. stop] : sampling.Stop,
                StructuredOutput = options?.ResponseFormat is { } format ? Structure(format) : sampling.StructuredOutput,
            },
        };
    }

    /// <summary>Refuses what would be left out in silence, and the answer not be what was asked for.</summary>
    private static void Refuse(ChatOptions? options)
    {
        if (options?.Tools is { Count: > 0 } && options.ToolMode is not NoneChatToolMode)
            throw new SteerException("Tools are given, and calls of tools are not supported: leave them out.");
        if (options?.ConversationId is not null)
            throw new SteerException("A conversation id is given, and the client keeps no conversations: give all messages.");
    }

    /// <summary>JSON of the format's schema, any object where it has none; null for text.</summary>
    private static StructuredOutput? Structure(ChatResponseFormat format) => format switch
    {
        ChatResponseFormatText => null,
        ChatResponseFormatJson json => new StructuredOutput { Json = json.Schema?.GetRawText() ?? AnyObject },
        _ => throw new SteerException($"The response format {format.GetType().Name} is not known: give text or JSON."),
    };

    private static ChatFinishReason Reason(GenerationResult result) =>
        result.FinishReason == FinishReason.Length ? ChatFinishReason.Length : ChatFinishReason.Stop;

    private static UsageDetails Usage(GenerationResult result) => new()
    {
        InputTokenCount = result.PromptTokens,
        OutputTokenCount = result.TokenIds.Count,
        TotalTokenCount = result.PromptTokens + result.TokenIds.Count,
    };

    private static AdditionalPropertiesDictionary Properties(GenerationResult result)
    {
        var properties = new AdditionalPropertiesDictionary { ["seed"] = result.Seed };
        if (result.Warnings.Count > 0)
            properties["warnings"] = result.Warnings;
        return properties;
    }
}
