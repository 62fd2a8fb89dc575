using Steer.Runtime.Chat;
using Steer.Runtime.Grammars;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Engine;

/// <summary>Checks requests, tokenises their contexts and plans their branches.</summary>
internal sealed class RequestPlanner(ModelSet models, CapacityCheck capacity)
{
    private readonly IReadOnlySet<Variant> _loaded = models.Loaded;
    private readonly GrammarCache? _grammars = models.Tokenizer is { } tokenizer ? new GrammarCache(tokenizer) : null;

    /// <summary>Checks a request to generate, and tokenises it.</summary>
    /// <exception cref="SteerException">The request cannot be served; one line says why.</exception>
    public PlannedRequest Plan(GenerationRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        request.Sampling.Check();
        if (request.Sampling.N > SamplingParams.MaxN)
            throw new SteerException($"n is {request.Sampling.N}: it must be at most {SamplingParams.MaxN} in one request; give several requests.");
        CheckTokens(request.Sampling);
        if (models.Tokenizer is null && request.Sampling.Stop.Count > 0)
            throw new SteerException("Stop texts need a tokenizer, and the base has none: give --tokenizer, or stop token ids.");
        if (request.StopWhen is not null && models.Tokenizer is null)
            throw new SteerException("A check of the text while it is made needs a tokenizer, and the base has none: give --tokenizer.");
        if (request.Messages is not null && (request.Prompt ?? (object?)request.PromptIds) is not null)
            throw new SteerException("A request has both messages and a prompt: give one of them.");
        var expert = ExpertOf(request);
        var prompt = Prompt(request, expert);
        IReadOnlyList<int>? context = request.Context is { } before ? WithContext(request, before, expert) : null;
        var negatives = Negatives(
            request.NegativeIds, request.Negatives, request.NegativeSeparator, request.Guidance, prompt, request.Sampling.MaxTokens, expert,
            request.Messages is null ? null : text => Encode(request with { Messages = ChatTurn.Ask(text) }, expert), out var warnings);
        var plan = GuidancePlan.Create(request.Guidance, new GuidanceContexts(prompt, negatives, context), _loaded, expert);
        plan = plan with { Warnings = [.. plan.Warnings, .. warnings], VocabSize = CommonVocab(plan) };
        int maxTokens = capacity.MaxTokens(plan, request.Sampling.MaxTokens, out bool cacheIsFull);
        if (cacheIsFull)
        {
            const string warning = "Without --max-tokens a text ends where the cache of keys and values is full, before the model's window is: " +
                "raise --memory for longer ones.";
            plan = plan with { Warnings = [.. plan.Warnings, warning] };
        }

        var eosIds = EosIds(request, expert);
        return new PlannedRequest(request, plan, maxTokens, eosIds, models.Tokenizer, Grammar(request.Sampling, eosIds));
    }

    /// <summary>A text to score: a sequence whose tokens are forced instead of drawn.</summary>
    /// <exception cref="SteerException">The request cannot be served; one line says why.</exception>
    public Sequence PlanScore(ScoreRequest request, ISequenceSink sink)
    {
        ArgumentNullException.ThrowIfNull(request);
        CheckIds(request.PromptIds, "The prompt");
        CheckIds(request.CompletionIds, "The text");
        var said = new GenerationRequest { TemplateVariables = request.TemplateVariables, Today = request.Today };
        IReadOnlyList<int> Message(string text) => Encode(said with { Messages = ChatTurn.Ask(text) }, Variant.Expert);
        var negatives = Negatives(
            request.NegativeIds, request.Negatives, request.NegativeSeparator, request.Guidance, request.PromptIds, request.CompletionIds.Count,
            Variant.Expert, request.Chat ? Message : null, out var warnings);
        var plan = request.Model is { } model
            ? GuidancePlan.Single(model.Name(), model, request.PromptIds, request.Guidance.Floor)
            : GuidancePlan.Create(request.Guidance, new GuidanceContexts(request.PromptIds, negatives, null), _loaded);
        foreach (var branch in plan.Branches)
        {
            if (!_loaded.Contains(branch.Variant))
                throw new SteerException($"Scoring needs the {branch.Variant.Name()}, which is not loaded.");
        }

        plan = plan with { Warnings = [.. plan.Warnings, .. warnings], VocabSize = CommonVocab(plan) };
        int count = capacity.MaxTokens(plan, request.CompletionIds.Count, out _);
        if (count < request.CompletionIds.Count)
        {
            throw new SteerException(
                $"A text of {request.CompletionIds.Count} tokens is too long: after its prompt the model's window leaves {count}.");
        }

        var sampling = new SamplingParams { LogProbs = 0, Temperature = 0 };
        return new Sequence(plan, sampling, count, seed: 0, text: null, sink) { Forced = request.CompletionIds, KeepLogits = request.KeepLogits };
    }

    /// <summary>
    /// A text whose hidden states are wanted: its tokens are forced as for a text to score, with one more at the end so that the last has a
    /// state too.
    /// </summary>
    /// <exception cref="SteerException">The text has no token, or the model is not loaded.</exception>
    public (Sequence Sequence, EmbeddingSink Sink) PlanEmbed(string text, Variant model)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!_loaded.Contains(model))
            throw new SteerException($"Embeddings need the {model.Name()}, which is not loaded.");
        IReadOnlyList<int> ids = Encode(text, special: false);
        if (ids.Count == 0)
            throw new SteerException("A text to embed has no tokens: take empty texts out.");
        int[] tokens = models.BosId is { } bos ? [bos, .. ids] : [.. ids];
        var config = models[model].Config;
        int count = Math.Min(tokens.Length, config.MaxPositions);
        var plan = GuidancePlan.Single("embedding", model, tokens[..1], new GuidanceParams().Floor) with { VocabSize = config.VocabSize };
        capacity.MaxTokens(plan, count, out _);
        var sink = new EmbeddingSink(skip: tokens.Length - ids.Count, config.HiddenSize);
        var sequence = new Sequence(plan, new SamplingParams { Temperature = 0 }, count, seed: 0, text: null, sink)
        {
            Forced = [.. tokens[1..count], tokens[0]],
            KeepHidden = true,
        };
        return (sequence, sink);
    }

    /// <summary>
    /// Tokens of a request's conversation, up to where an answer begins. The template writes the special tokens, so none are added.
    /// </summary>
    /// <exception cref="SteerException">There is no template or no tokenizer, or the template refuses the messages.</exception>
    public IReadOnlyList<int> Encode(GenerationRequest request, Variant expert)
    {
        var template = models.ChatTemplateOf(expert) ?? throw new SteerException(
            $"{models[Variant.Base].Path}: has no chat template (chat_template.jinja, or one in tokenizer_config.json or in a GGUF file): " +
            "give a model or a tokenizer that has one, or leave the chat out.");
        var ids = Encode(template.On(request.Today).Render(request.Messages!, variables: request.TemplateVariables), special: false);
        return ids.Count > 0 ? ids : throw new SteerException($"{template.File}: the chat template writes nothing for these messages.");
    }

    private TokenGrammar? Grammar(SamplingParams sampling, IReadOnlyList<int> eosIds)
    {
        if (sampling.StructuredOutput is not { } output)
            return null;
        if (_grammars is null)
            throw new SteerException("Structured output needs a tokenizer, and the base has none: give --tokenizer.");
        if (eosIds.Count == 0)
            throw new SteerException("Structured output needs an end-of-sequence token, and the base has none: name it in its config.json.");
        return _grammars.Get(output, eosIds);
    }

    private int CommonVocab(GuidancePlan plan) => plan.Branches.Min(b => models[b.Variant].Config.VocabSize);

    private Variant ExpertOf(GenerationRequest request)
    {
        var expert = request.Expert == 0 ? Variant.Expert : Variant.MoreExperts + (request.Expert - 1);
        return request.Expert == 0 || (request.Expert > 0 && _loaded.Contains(expert))
            ? expert
            : throw new SteerException(
                $"A request asks for expert {request.Expert}, which the engine does not have: see {nameof(EngineOptions.MoreExperts)}.");
    }

    /// <summary>Tokens that end a text; an answer also ends where the template's tokenizer has it end, whatever the checkpoint says.</summary>
    private IReadOnlyList<int> EosIds(GenerationRequest request, Variant expert) =>
        request.Messages is not null && models.ChatTemplateOf(expert)?.EosToken is { } token && models.Tokenizer?.IdOf(token) is { } id
        && models.MayDraw(id)
            ? [.. models.EosIds.Union([id])]
            : models.EosIds;

    private IReadOnlyList<int> Prompt(GenerationRequest request, Variant expert)
    {
        if (request.Messages is not null)
            return Encode(request, expert);
        if (request.PromptIds is { } given)
        {
            CheckIds(given, "The prompt");
            return given;
        }

        return Begin(Text(request));
    }

    /// <summary>The prompt with a text before it; in a conversation, before its last message.</summary>
    private IReadOnlyList<int> WithContext(GenerationRequest request, string context, Variant expert)
    {
        if (request.Messages is { Count: > 0 } messages)
        {
            if (messages[^1].Others.ContainsKey("content"))
            {
                throw new SteerException(
                    "The last message has a content that is no text, which a context cannot stand before: give its text, or leave the context out.");
            }

            var last = messages[^1] with { Content = context + messages[^1].Content };
            return Encode(request with { Messages = [.. messages.SkipLast(1), last] }, expert);
        }

        return request.PromptIds is { } ids ? [.. Encode(context, special: true), .. ids] : Begin(context + Text(request));
    }

    /// <summary>Tokens of a text that is continued: of an empty one, the token that the model begins with.</summary>
    private IReadOnlyList<int> Begin(string text)
    {
        var ids = Encode(text, special: true);
        if (ids.Count > 0)
            return ids;
        return models.BosId is { } bos
            ? [bos]
            : throw new SteerException("The prompt is empty and the model has no token to begin with: give a prompt.");
    }

    private static string Text(GenerationRequest request) =>
        request.Prompt ?? throw new SteerException("A request has no prompt: give text or token ids.");

    /// <summary>
    /// Negative contexts: no instruction, and the prompt's beginning-of-sequence token where it has one; of a conversation, a user's message, so that
    /// every branch stands where an answer begins. Examples that would leave no room for the text in the model's window are left out whole, the last
    /// first; where the text may be of any length, they get half the window.
    /// </summary>
    private IReadOnlyList<IReadOnlyList<int>> Negatives(
        IReadOnlyList<int>? ids, IReadOnlyList<string> texts, string separator, GuidanceParams guidance, IReadOnlyList<int> prompt, int? maxTokens,
        Variant expert, Func<string, IReadOnlyList<int>>? chat, out IReadOnlyList<string> warnings)
    {
        warnings = [];
        if (ids is not null)
        {
            CheckIds(ids, "The negative");
            return [ids];
        }

        if (texts.Count == 0)
            return [];
        int window = models[_loaded.Contains(expert) ? expert : Variant.Base].Config.MaxPositions;
        int room = maxTokens is { } tokens && tokens <= window - prompt.Count ? window + 1 - tokens : window / 2;
        int[] begin = models.BosId is { } bos && prompt[0] == bos ? [bos] : [];
        IReadOnlyList<int> Context(string text) => chat?.Invoke(text) ?? [.. begin, .. Encode(text, special: false)];
        var contexts = guidance.Combination == NegativeCombination.Joined
            ? Joined(texts, separator, Context, room, out int kept)
            : Separate(texts, Context, room, out kept);
        if (contexts.Any(c => c.Count == 0))
            throw new SteerException("A negative has no tokens: leave empty ones out.");
        if (kept < texts.Count)
            warnings = [$"Some negatives were left out: the model's window of {window} tokens does not hold all of them beside a text."];
        return contexts;
    }

    private static IReadOnlyList<IReadOnlyList<int>> Joined(
        IReadOnlyList<string> texts, string separator, Func<string, IReadOnlyList<int>> encode, int room, out int kept)
    {
        IReadOnlyList<int> Context(int count) => encode(string.Join(separator, texts.Take(count)));
        kept = texts.Count;
        var context = Context(kept);
        if (context.Count <= room)
            return [context];

        // Halving finds the most that fit: fewer texts have fewer tokens.
        kept = 0;
        for (int most = texts.Count - 1; kept < most;)
        {
            int middle = (kept + most + 1) / 2;
            if (Context(middle).Count <= room)
                kept = middle;
            else
                most = middle - 1;
        }

        return kept > 0 ? [Context(kept)] : [];
    }

    private static IReadOnlyList<IReadOnlyList<int>> Separate(
        IReadOnlyList<string> texts, Func<string, IReadOnlyList<int>> encode, int room, out int kept)
    {
        IReadOnlyList<int>[] fitting = [.. texts.Select(encode).Where(c => c.Count <= room)];
        kept = fitting.Length;
        return fitting;
    }

    private IReadOnlyList<int> Encode(string text, bool special)
    {
        var tokenizer = models.Tokenizer
            ?? throw new SteerException($"{models[Variant.Base].Path} has no tokenizer: give --tokenizer, or token ids instead of text.");
        var ids = tokenizer.Encode(text, special);
        if (ids.Length > 0)
            CheckIds(ids, "The text");
        return ids;
    }

    private void CheckIds(IReadOnlyList<int> ids, string what)
    {
        int vocab = models.Shapes.Min(s => s.VocabSize);
        if (ids.Count == 0)
            throw new SteerException($"{what} has no tokens: give at least one.");
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)vocab)
                throw new SteerException($"{what} holds token {id}, and the model's tokens go from 0 to {vocab - 1}.");
        }
    }

    private void CheckTokens(SamplingParams sampling)
    {
        if (sampling.LogitBias.Count > 0)
            CheckIds([.. sampling.LogitBias.Keys], "The logit bias");
        if (sampling.StopTokenIds.Count > 0)
            CheckIds(sampling.StopTokenIds, "The list of stop tokens");
        int biases = sampling.LogitBias.Count + sampling.StopTokenIds.Count + models.EosIds.Count + 1; // an answer may have one more end
        if (biases > ModelRunner.MaxBiases)
            throw new SteerException($"A request biases or stops at {biases} tokens: at most {ModelRunner.MaxBiases} are possible.");
    }
}
