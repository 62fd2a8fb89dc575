using System.Text.Json;
using Steer.Runtime.Chat;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Tests.Chat;

/// <summary>Requests with messages, on the embedded pair with a tokenizer that has a chat template.</summary>
public sealed class ChatRequestTests : IDisposable
{
    private readonly ChatTokenizer _tokenizer = new(
        "{{ bos_token }}{% if quick %}!{% endif %}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}>");
    private readonly SteerEngine _engine;

    public ChatRequestTests() => _engine = SteerEngine.Load(new EngineOptions
    {
        Base = Path.Combine(GoldenFiles.Weights, "base"),
        Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
        Tokenizer = _tokenizer.Folder,
    });

    public void Dispose()
    {
        _engine.Dispose();
        _tokenizer.Dispose();
    }

    [Fact]
    public async Task A_conversation_is_continued_where_the_template_ends_it_and_nothing_is_added()
    {
        IReadOnlyList<ChatTurn> messages = [new("system", "Be brief."), new("user", "Name a star."), new("assistant", "Sun"), new("user", "More.")];
        int[] ids = Ids("<|endoftext|>[system] Be brief.\n[user] Name a star.\n[assistant] Sun\n[user] More.\n>");
        Assert.Equal(ids, _engine.Encode(messages));
        var asked = await Generate(new GenerationRequest { Messages = messages, Sampling = Short });
        Assert.Equal((await Generate(new GenerationRequest { PromptIds = ids, Sampling = Short })).TokenIds, asked.TokenIds);
        Assert.Equal(ids.Length, asked.PromptTokens);

        var variables = new Dictionary<string, JsonElement> { ["quick"] = JsonDocument.Parse("true").RootElement };
        var quick = await Generate(new GenerationRequest { Messages = ChatTurn.Ask("a"), TemplateVariables = variables, Sampling = Short });
        Assert.Equal(Ids("<|endoftext|>![user] a\n>").Length, quick.PromptTokens);
    }

    [Fact]
    public void A_template_that_tells_the_date_tells_that_of_the_request_and_in_jobs_always_the_same()
    {
        using var tokenizer = new ChatTokenizer("{{ strftime_now('%d %B %Y') }}{{ messages[0].content }}");
        using var engine = SteerEngine.Load(new EngineOptions { Base = Path.Combine(GoldenFiles.Weights, "base"), Tokenizer = tokenizer.Folder });
        Assert.Equal(Ids("05 March 2024a"), engine.Encode(ChatTurn.Ask("a"), new DateOnly(2024, 3, 5)));
        Assert.NotEqual(Ids("05 March 2024a"), engine.Encode(ChatTurn.Ask("a")));

        var job = new DatasetJobConfig { Prompt = "a", Chat = true, System = "b", Count = 1 };
        var request = new ItemPlanner(job).Plan(new NegativePool([]), 0, new DatasetItem(0, 0)).Request;
        Assert.Equal(DatasetJobConfig.ChatDate, request.Today);
        Assert.Equal(["system", "user"], request.Messages!.Select(m => m.Role));
    }

    [Fact]
    public async Task A_context_stands_before_the_last_message()
    {
        var guidance = new GuidanceParams { Preset = GuidancePreset.ContextAware, Gamma = 0.5f };
        var request = new GenerationRequest { Messages = ChatTurn.Ask("Name a star.", "Be brief."), Context = "Vega is near. ", Guidance = guidance };
        var asked = await Generate(request with { Sampling = Short });

        // Alone, the branch with the context is the only one that is left.
        var alone = await Generate(request with { Sampling = Short, Guidance = guidance with { Gamma = 0 } });
        var plain = await Generate(new GenerationRequest
        {
            PromptIds = Ids("<|endoftext|>[system] Be brief.\n[user] Vega is near. Name a star.\n>"), Sampling = Short,
        });
        Assert.Equal(plain.TokenIds, alone.TokenIds);
        Assert.Equal(["context", "expert"], asked.Branches);
    }

    [Fact]
    public void What_contradicts_itself_is_refused()
    {
        var both = new GenerationRequest { Messages = ChatTurn.Ask("a"), Prompt = "a" };
        Assert.Contains("both messages and a prompt", Assert.Throws<SteerException>(() => _engine.Check(both)).Message, StringComparison.Ordinal);
        var content = new Dictionary<string, JsonElement> { ["content"] = JsonSerializer.SerializeToElement("b") };
        var parts = new ChatTurn("user", "a") { Others = content };
        var context = new GenerationRequest { Messages = [parts], Context = "c" };
        Assert.Contains("content that is no text", Assert.Throws<SteerException>(() => _engine.Check(context)).Message, StringComparison.Ordinal);
        using var none = SteerEngine.Load(new EngineOptions { Base = Path.Combine(GoldenFiles.Weights, "base") });
        Assert.Null(none.ChatTemplate);
        var e = Assert.Throws<SteerException>(() => none.Check(new GenerationRequest { Messages = ChatTurn.Ask("a") }));
        Assert.Contains("base: has no chat template", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_ends_with_the_token_that_the_templates_tokenizer_ends_with()
    {
        // The token that is drawn second becomes the tokenizer's end of a sequence: the checkpoint does not know of it.
        var whole = await Generate(new GenerationRequest { Messages = ChatTurn.Ask("Name a star."), Sampling = Short with { MaxTokens = 8 } });
        using var tokenizer = new ChatTokenizer(_tokenizer.Template, eosToken: _engine.Tokenizer!.TokenOf(whole.TokenIds[1])!);
        using var engine = SteerEngine.Load(new EngineOptions
        {
            Base = Path.Combine(GoldenFiles.Weights, "base"),
            Expert = Path.Combine(GoldenFiles.Weights, "experts", "astronomy"),
            Tokenizer = tokenizer.Folder,
        });
        await foreach (var result in engine.GenerateAsync(
            [new GenerationRequest { Messages = ChatTurn.Ask("Name a star."), Sampling = Short with { MaxTokens = 8 } }]))
        {
            Assert.Equal(whole.TokenIds.Take(whole.TokenIds.ToList().IndexOf(whole.TokenIds[1]) + 1), result.TokenIds);
            Assert.Equal(FinishReason.Stop, result.FinishReason);
        }
    }

    private static SamplingParams Short => new() { Temperature = 0, MaxTokens = 4 };

    private int[] Ids(string text) => _engine.Tokenizer!.Encode(text, addSpecialTokens: false);

    private async Task<GenerationResult> Generate(GenerationRequest request)
    {
        var results = new List<GenerationResult>();
        await foreach (var result in _engine.GenerateAsync([request]))
            results.Add(result);
        return Assert.Single(results);
    }
}
