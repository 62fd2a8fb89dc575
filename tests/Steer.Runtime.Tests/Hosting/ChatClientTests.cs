using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.AI;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;
using Steer.Runtime.Hosting;
using Steer.Runtime.Tests.Chat;

namespace Steer.Runtime.Tests.Hosting;

/// <summary>The chat client gives what the engine gives for the same messages, with options mapped as they are named.</summary>
public sealed class ChatClientTests : IDisposable
{
    private readonly ChatTokenizer _tokenizer = new("{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}>");
    private readonly SteerEngine _engine;
    private readonly SteerChatClient _client;

    public ChatClientTests()
    {
        _engine = SteerEngine.Load(new EngineOptions
        {
            Base = Path.Combine(GoldenFiles.Weights, "base"),
            Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
            Tokenizer = _tokenizer.Folder,
        });
        _client = new SteerChatClient(_engine);
    }

    public void Dispose()
    {
        _client.Dispose();
        _engine.Dispose();
        _tokenizer.Dispose();
    }

    [Fact]
    public async Task Messages_and_options_become_a_request()
    {
        var options = new ChatOptions
        {
            Instructions = "Be brief.",
            Temperature = 0.9f,
            TopP = 0.8f,
            TopK = 40,
            MaxOutputTokens = 12,
            Seed = 7,
            FrequencyPenalty = 0.5f,
            PresencePenalty = -0.5f,
            StopSequences = ["@@"],
        };
        ChatMessage[] messages = [new(ChatRole.User, "Name a star."), new(ChatRole.Assistant, "Sun"), new(ChatRole.User, "More.")];
        var response = await _client.GetResponseAsync(messages, options);
        var expected = await Generate(new GenerationRequest
        {
            Prompt = "<|endoftext|>[system] Be brief.\n[user] Name a star.\n[assistant] Sun\n[user] More.\n>",
            Seed = 7,
            Sampling = new SamplingParams
            {
                Temperature = 0.9f, TopP = 0.8f, TopK = 40, MaxTokens = 12, FrequencyPenalty = 0.5f, PresencePenalty = -0.5f, Stop = ["@@"],
            },
        });
        Assert.Equal(expected.Text, response.Text);
        Assert.Equal(ChatRole.Assistant, Assert.Single(response.Messages).Role);
        Assert.Equal(ChatFinishReason.Length, response.FinishReason);
        Assert.Equal(expected.PromptTokens, response.Usage!.InputTokenCount);
        Assert.Equal(12, response.Usage.OutputTokenCount);
        Assert.Equal(expected.PromptTokens + 12, response.Usage.TotalTokenCount);
        Assert.Equal("astronomy", response.ModelId);
        Assert.Equal(7ul, response.Messages[0].AdditionalProperties!["seed"]);
        Assert.Equal(expected.TokenIds, Assert.IsType<GenerationResult>(response.RawRepresentation).TokenIds);
    }

    [Fact]
    public async Task Instructions_join_what_the_system_says()
    {
        ChatMessage[] messages = [new(ChatRole.System, "Be kind."), new(ChatRole.User, "a")];
        var response = await _client.GetResponseAsync(messages, new ChatOptions { Instructions = "Be brief.", MaxOutputTokens = 2 });
        var ids = _engine.Tokenizer!.Encode("<|endoftext|>[system] Be brief.\nBe kind.\n[user] a\n>", addSpecialTokens: false);
        Assert.Equal(ids.Length, response.Usage!.InputTokenCount);
    }

    [Fact]
    public async Task Guidance_comes_from_the_defaults_or_from_a_request_of_the_call()
    {
        var guided = new GenerationRequest
        {
            Guidance = new GuidanceParams { Gamma = 0.5f, Eta = 0.2f },
            Negatives = ["Dark matter is cold."],
            Sampling = new SamplingParams { MaxTokens = 8, Temperature = 0.5f },
            Seed = 3,
        };
        using var client = new SteerChatClient(_engine, guided);
        var byDefault = await client.GetResponseAsync("Name a star.");
        var byCall = await _client.GetResponseAsync("Name a star.", new ChatOptions { RawRepresentationFactory = _ => guided });
        var expected = await Generate(guided with { Messages = [new("user", "Name a star.")] });
        Assert.Equal(["expert", "base", "negative"], Assert.IsType<GenerationResult>(byDefault.RawRepresentation).Branches);
        Assert.Equal(expected.Text, byDefault.Text);
        Assert.Equal(expected.Text, byCall.Text);

        var shorter = await client.GetResponseAsync("Name a star.", new ChatOptions { MaxOutputTokens = 2 });
        Assert.Equal(expected.TokenIds.Take(2), Assert.IsType<GenerationResult>(shorter.RawRepresentation).TokenIds);
    }

    [Fact]
    public async Task Without_a_seed_calls_differ_and_the_seed_they_tell_makes_the_text_again()
    {
        var options = new ChatOptions { MaxOutputTokens = 16 };
        var first = await _client.GetResponseAsync("Name a star.", options);
        var second = await _client.GetResponseAsync("Name a star.", options);
        Assert.NotEqual(first.Text, second.Text);
        options.Seed = (long)(ulong)first.Messages[0].AdditionalProperties!["seed"]!;
        Assert.Equal(first.Text, (await _client.GetResponseAsync("Name a star.", options)).Text);
    }

    [Fact]
    public async Task A_stream_adds_up_to_the_response()
    {
        var options = new ChatOptions { MaxOutputTokens = 20, Seed = 5 };
        var whole = await _client.GetResponseAsync("Name a star.", options);
        var updates = new List<ChatResponseUpdate>();
        await foreach (var update in _client.GetStreamingResponseAsync("Name a star.", options))
            updates.Add(update);
        Assert.True(updates.Count > 3);
        Assert.All(updates.SkipLast(1), u => Assert.True(u.FinishReason is null && u.Text.Length > 0));
        var joined = updates.ToChatResponse();
        Assert.Equal(whole.Text, joined.Text);
        Assert.Single(joined.Messages);
        Assert.Equal(whole.FinishReason, joined.FinishReason);
        Assert.Equal(whole.Usage!.TotalTokenCount, joined.Usage!.TotalTokenCount);
        Assert.Equal(5ul, joined.Messages[0].AdditionalProperties!["seed"]);
        Assert.Single(updates.Select(u => u.ResponseId).Distinct());
    }

    [Fact]
    public async Task A_call_can_be_cancelled()
    {
        using var stop = new CancellationTokenSource();
        var endless = new GenerationRequest { Sampling = new SamplingParams { IgnoreEos = true } };
        var options = new ChatOptions { RawRepresentationFactory = _ => endless };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in _client.GetStreamingResponseAsync("a", options, stop.Token))
                await stop.CancelAsync();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _client.GetResponseAsync("a", options, stop.Token));
    }

    [Fact]
    public void Services_are_the_client_the_engine_and_the_metadata()
    {
        Assert.Same(_client, _client.GetService<IChatClient>());
        Assert.Same(_engine, _client.GetService<SteerEngine>());
        var metadata = _client.GetService<ChatClientMetadata>()!;
        Assert.Equal(("steer", "astronomy"), (metadata.ProviderName, metadata.DefaultModelId));
        Assert.Null(_client.GetService<string>());
        Assert.Null(_client.GetService(typeof(IChatClient), "key"));
    }

    [Fact]
    public async Task What_is_not_supported_is_refused()
    {
        async Task Refuses(string message, ChatOptions options, ChatMessage? last = null)
        {
            var e = await Assert.ThrowsAsync<SteerException>(() => _client.GetResponseAsync([last ?? new(ChatRole.User, "a")], options));
            Assert.Contains(message, e.Message, StringComparison.Ordinal);
        }

        await Refuses("Tools are given", new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "one")] });
        await Refuses("A conversation id is given", new ChatOptions { ConversationId = "x" });
        await Refuses("temperature is -1", new ChatOptions { Temperature = -1 });
        await Refuses("has a prompt", new ChatOptions { RawRepresentationFactory = _ => new GenerationRequest { Prompt = "x" } });
        await Refuses("A message holds DataContent", new ChatOptions(), new ChatMessage(ChatRole.User, [new DataContent(new byte[1], "image/png")]));
        var e = await Assert.ThrowsAsync<SteerException>(() => _client.GetResponseAsync(Array.Empty<ChatMessage>()));
        Assert.Contains("The conversation is empty", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_fits_the_schema_of_the_response_format()
    {
        var options = new ChatOptions { Seed = 4, MaxOutputTokens = 200, ResponseFormat = ChatResponseFormat.ForJsonSchema<Finding>() };
        var response = await _client.GetResponseAsync([new ChatMessage(ChatRole.User, "A finding")], options);
        var finding = JsonSerializer.Deserialize<Finding>(response.Text, JsonSerializerOptions.Web)!;
        Assert.InRange(finding.Name.Length, 3, 12);
        Assert.True(Enum.IsDefined(finding.Kind));

        options.ResponseFormat = ChatResponseFormat.Json;
        options.MaxOutputTokens = 3;
        var answer = await _client.GetResponseAsync([new ChatMessage(ChatRole.User, "A finding")], options);
        Assert.StartsWith("{", answer.Text, StringComparison.Ordinal);
        options.ResponseFormat = ChatResponseFormat.Text;
        Assert.DoesNotMatch("^{", (await _client.GetResponseAsync([new ChatMessage(ChatRole.User, "A finding")], options)).Text);
    }

    [JsonConverter(typeof(JsonStringEnumConverter<Kind>))]
    private enum Kind
    {
        Star,
        Planet,
    }

    private sealed record Finding([property: StringLength(12, MinimumLength = 3)] string Name, Kind Kind);

    private async Task<GenerationResult> Generate(GenerationRequest request)
    {
        await foreach (var result in _engine.GenerateAsync([request]))
            return result;
        throw new InvalidOperationException();
    }
}
