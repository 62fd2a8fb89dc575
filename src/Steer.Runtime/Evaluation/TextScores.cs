using System.Text.Json;
using Steer.Runtime.Chat;
using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Evaluation;

/// <summary>What a text continues, and which expert knows texts of its kind.</summary>
/// <param name="Prompt">Null for the token that begins a text, or where there is none, for the text's own first token.</param>
/// <param name="CompletionPrefix">Stands between the prompt and the text.</param>
public sealed record TextOrigin(string? Prompt, string CompletionPrefix = "")
{
    /// <summary>Null where there is none.</summary>
    public Variant? Expert { get; init; }

    /// <summary>The prompt is what a user says, and the text the answer.</summary>
    public bool Chat { get; init; }

    /// <summary><see cref="Chat"/>: what the system says before the prompt; null for nothing.</summary>
    public string? System { get; init; }

    /// <summary><see cref="Chat"/>: what else the chat template may look at; null for nothing.</summary>
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }
}

/// <summary>Scores texts under their expert and under the base, for their perplexity.</summary>
public static class TextScores
{
    /// <summary>Log-probabilities of texts with the token that ends them, each after its prompt.</summary>
    /// <param name="engine">Has a tokenizer, and every expert loaded.</param>
    /// <param name="texts">What to score.</param>
    /// <param name="origins">One for each text.</param>
    /// <param name="progress">Called with how many texts are done.</param>
    /// <param name="stop">Ends the work.</param>
    /// <returns>Scores under the expert, where every text has one, and under the base. Of texts longer than the window, the first tokens that fit
    /// it.</returns>
    /// <exception cref="SteerException">The engine has no tokenizer, or a prompt fills the window.</exception>
    public static async Task<IReadOnlyList<ModelScores>> ComputeAsync(
        SteerEngine engine, IReadOnlyList<string> texts, IReadOnlyList<TextOrigin> origins, Action<int>? progress = null,
        CancellationToken stop = default)
    {
        var splitters = origins.Distinct().ToDictionary(o => o, o => new Splitter(engine, o));
        var requests = texts.Zip(origins, (text, origin) => splitters[origin].Split(text)).ToList();
        string[] models = origins.All(o => o.Expert is not null) ? ["expert", "base"] : ["base"];
        var logProbs = models.Select(_ => new double[texts.Count]).ToList();
        int[] tokens = [.. requests.Select(r => r.Completion.Length)];
        int done = 0;
        var asked = Enumerable.Range(0, texts.Count).Where(t => tokens[t] > 0).SelectMany(t => models.Select(m => new ScoreRequest
        {
            PromptIds = requests[t].Context,
            CompletionIds = requests[t].Completion,
            Model = m == "base" ? Variant.Base : origins[t].Expert,
        }));
        await using var results = engine.ScoreAsync(asked, stop).GetAsyncEnumerator(stop);
        for (int t = 0; t < texts.Count; t++)
        {
            for (int m = 0; tokens[t] > 0 && m < models.Length; m++)
            {
                await results.MoveNextAsync().ConfigureAwait(false);
                logProbs[m][t] = results.Current.LogProb;
            }

            progress?.Invoke(++done);
        }

        return [.. models.Zip(logProbs, (model, scores) => new ModelScores(model, scores, tokens))];
    }

    private sealed class Splitter
    {
        private readonly SteerEngine _engine;
        private readonly Tokenization.Tokenizer _tokenizer;
        private readonly string? _before;
        private readonly string _completionPrefix;
        private readonly int[]? _context;
        private readonly int[] _end;

        public Splitter(SteerEngine engine, TextOrigin origin)
        {
            string? prompt = origin.Prompt;
            _engine = engine;
            _tokenizer = engine.Tokenizer ?? throw new SteerException("The base has no tokenizer, so texts cannot be scored: give --tokenizer.");
            _before = origin.Chat ? null : prompt + origin.CompletionPrefix;
            _completionPrefix = origin.CompletionPrefix;
            _context = prompt is null ? null
                : origin.Chat ? [.. engine.Encode(ChatTurn.Ask(prompt, origin.System), DatasetJobConfig.ChatDate, origin.TemplateVariables)]
                : _tokenizer.Encode(prompt, addSpecialTokens: true);
            _end = engine.EosIds.Count > 0 ? [engine.EosIds[0]] : [];
            if (_context?.Length >= engine.MaxPositions)
            {
                throw new SteerException(
                    $"The prompt has {_context.Length} tokens and the model's window is {engine.MaxPositions}: there is no room for a text.");
            }
        }

        public (int[] Context, int[] Completion) Split(string text)
        {
            if (_context is null)
            {
                int[] ids = _tokenizer.Encode(text, addSpecialTokens: true);
                if (ids.Length == 0)
                    return ([], []);
                int? first = ids[0] == _engine.BosId ? null : _engine.BosId;
                int[] sequence = [.. first is { } bos ? [bos] : Array.Empty<int>(), .. ids, .. _end];
                return (sequence[..1], Fitting(sequence[1..], 1));
            }

            // Where the prompt's last token would melt into the text's first, the text begins a token of its own, as it does when it is generated.
            int[] whole = _before is null ? [] : _tokenizer.Encode(_before + text, addSpecialTokens: true);
            int[] completion = whole.AsSpan().StartsWith(_context)
                ? whole[_context.Length..]
                : _tokenizer.Encode(_completionPrefix + text, addSpecialTokens: false);
            return (_context, Fitting([.. completion, .. _end], _context.Length));
        }

        private int[] Fitting(int[] completion, int before) =>
            completion.Length + before <= _engine.MaxPositions ? completion : completion[..(_engine.MaxPositions - before)];
    }
}
