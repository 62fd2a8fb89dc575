using System.Text.Json;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Engine;

/// <summary>A given text whose log-probabilities are wanted, token by token after the prompt.</summary>
public sealed record ScoreRequest
{
    /// <summary>Tokens before the first one that is scored; at least one.</summary>
    public required IReadOnlyList<int> PromptIds { get; init; }

    /// <summary>Tokens that are scored; at least one.</summary>
    public required IReadOnlyList<int> CompletionIds { get; init; }

    /// <summary>One model alone; null for the guided distribution.</summary>
    public Variant? Model { get; init; }

    /// <summary>The guided distribution, where <see cref="Model"/> is null.</summary>
    public GuidanceParams Guidance { get; init; } = new();

    /// <summary>Examples to push away from, as in <see cref="GenerationRequest.Negatives"/>.</summary>
    public IReadOnlyList<string> Negatives { get; init; } = [];

    /// <summary>Tokens of one negative context, instead of <see cref="Negatives"/>.</summary>
    public IReadOnlyList<int>? NegativeIds { get; init; }

    /// <summary>The prompt is a conversation: negatives are written as those of <see cref="GenerationRequest.Messages"/> are.</summary>
    public bool Chat { get; init; }

    /// <summary><see cref="Chat"/>: the date that the template may tell, as in <see cref="GenerationRequest.Today"/>.</summary>
    public DateOnly? Today { get; init; }

    /// <summary><see cref="Chat"/>: what else the template may look at, as in <see cref="GenerationRequest.TemplateVariables"/>.</summary>
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>Stands between joined negatives.</summary>
    public string NegativeSeparator { get; init; } = " ";

    /// <summary>Keeps the raw logits from which each token was predicted.</summary>
    public bool KeepLogits { get; init; }
}

/// <summary>What a <see cref="ScoreRequest"/> gave.</summary>
public sealed record ScoreResult
{
    /// <summary>The scored tokens.</summary>
    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>Names of the branches that ran.</summary>
    public required IReadOnlyList<string> Branches { get; init; }

    /// <summary>For each token: guided log-probability and those of the branches, in nats.</summary>
    public required IReadOnlyList<TokenLogProbs> LogProbs { get; init; }

    /// <summary>Raw logits [vocab] of the reference branch for each token, where they were kept.</summary>
    public IReadOnlyList<float[]>? Logits { get; init; }

    /// <summary>One line each: what was done differently than asked.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Sum of guided log-probabilities, in nats.</summary>
    public double LogProb => LogProbs.Sum(t => (double)t.LogProb);

    /// <summary>exp of the mean negative log-probability.</summary>
    public double Perplexity => Math.Exp(-LogProb / TokenIds.Count);
}
