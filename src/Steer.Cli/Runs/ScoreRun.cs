using System.Runtime.CompilerServices;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Cli.Runs;

/// <summary>Scores texts under each loaded distribution: the base, the expert, and both guided.</summary>
/// <param name="engine">Runs the models.</param>
/// <param name="models">Tell which there are.</param>
/// <param name="guidance">The guided distribution; left out for a base alone without guidance.</param>
/// <param name="negatives">Drawn for each text by its own seed, as when texts are made.</param>
/// <param name="chat">Texts answer a prompt, so that negatives are messages; null where they are plain text.</param>
/// <param name="seed">Of the run.</param>
/// <param name="detail">Keeps the log-probability of every token.</param>
internal sealed class ScoreRun(
    SteerEngine engine, ModelChoice models, GuidanceParams guidance, NegativeSource negatives, Conversation? chat, ulong seed, bool detail)
{
    private readonly IReadOnlyList<(string Name, Variant? Model)> _distributions =
    [
        ("base", Variant.Base),
        .. models.Expert is null ? Array.Empty<(string, Variant?)>() : [("expert", Variant.Expert)],
        .. models.Expert is null && guidance.Preset == GuidancePreset.Plain ? Array.Empty<(string, Variant?)>() : [("guided", null)],
    ];

    /// <summary>Scores in order; gives each text with a score for each distribution, and what the guided one told.</summary>
    public async IAsyncEnumerable<(ScoredText Text, IReadOnlyList<ModelScore> Scores, ScoreResult? Guided)> ScoreAsync(
        IReadOnlyList<ScoredText> texts, [EnumeratorCancellation] CancellationToken stop)
    {
        var requests = texts.SelectMany((text, i) => text.Completion.Length == 0 ? [] : _distributions.Select(d => Request(text, i, d.Model)));
        await using var results = engine.ScoreAsync(requests, stop).GetAsyncEnumerator(stop);
        foreach (var text in texts)
        {
            var scores = new List<ModelScore>();
            ScoreResult? result = null;
            foreach (var (name, _) in _distributions)
            {
                result = text.Completion.Length > 0 && await results.MoveNextAsync().ConfigureAwait(false) ? results.Current : null;
                scores.Add(ModelScore.From(name, result, detail));
            }

            yield return (text, scores, _distributions[^1].Model is null ? result : null);
        }
    }

    private ScoreRequest Request(ScoredText text, int index, Variant? model) => new()
    {
        PromptIds = text.Context,
        CompletionIds = text.Completion,
        Model = model,
        Guidance = guidance,
        Negatives = model is null ? negatives.Draw(Seeds.Derive(seed, index)) : [],
        NegativeIds = model is null ? negatives.Ids : null,
        NegativeSeparator = negatives.Separator,
        Chat = chat is not null,
        TemplateVariables = chat?.Variables,
    };
}
