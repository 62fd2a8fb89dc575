using System.Text.Json;
using Steer.Runtime.Chat;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Engine;

/// <summary>
/// One prompt, and how to continue it. Give <see cref="Prompt"/>, <see cref="PromptIds"/> or <see cref="Messages"/>.
/// </summary>
public sealed record GenerationRequest
{
    /// <summary>Text of the prompt; tokenised as the model's tokenizer says, special tokens included.</summary>
    public string? Prompt { get; init; }

    /// <summary>Tokens of the prompt, taken as they are, instead of <see cref="Prompt"/>.</summary>
    public IReadOnlyList<int>? PromptIds { get; init; }

    /// <summary>
    /// A conversation that the model answers, instead of <see cref="Prompt"/>: written by the chat template of the expert or the base, the same for
    /// all branches, with no special tokens but those that the template writes. The negative branch reads its negatives as a user's message.
    /// </summary>
    public IReadOnlyList<ChatTurn>? Messages { get; init; }

    /// <summary><see cref="Messages"/>: what else the chat template may look at, such as enable_thinking; null for nothing.</summary>
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>
    /// <see cref="Messages"/>: the date that a chat template may tell the model; null for the machine's, and then texts may depend on the day.
    /// </summary>
    public DateOnly? Today { get; init; }

    /// <summary>Examples to push away from; how they combine is told by <see cref="GuidanceParams.Combination"/>.</summary>
    public IReadOnlyList<string> Negatives { get; init; } = [];

    /// <summary>Tokens of one negative context, instead of <see cref="Negatives"/>.</summary>
    public IReadOnlyList<int>? NegativeIds { get; init; }

    /// <summary>Stands between joined negatives.</summary>
    public string NegativeSeparator { get; init; } = " ";

    /// <summary>context-aware: text that comes before the prompt, or before the last message, in the branch with the context.</summary>
    public string? Context { get; init; }

    /// <summary>Which expert: 0 for <see cref="EngineOptions.Expert"/>, i for the i-th of <see cref="EngineOptions.MoreExperts"/> (from 1).</summary>
    public int Expert { get; init; }

    /// <summary>How the models steer each other.</summary>
    public GuidanceParams Guidance { get; init; } = new();

    /// <summary>How tokens are drawn.</summary>
    public SamplingParams Sampling { get; init; } = new();

    /// <summary>
    /// A check of the text while it is generated; null for none. The outer function is called once for each text, on the thread that asks for it. The
    /// inner one gets the pieces of that text in order, one for each token, and ends the text by returning true. It runs on the engine's thread,
    /// under no lock, and all texts wait meanwhile: it may submit requests to the engine, but not wait for their results, nor dispose the engine. It
    /// must decide by the pieces alone, so that a text does not depend on what else runs.
    /// </summary>
    public Func<Func<string, bool>>? StopWhen { get; init; }

    /// <summary>
    /// Seed of the first of <see cref="SamplingParams.N"/> texts; the others' are derived from it, see <see cref="Seeds.Derive"/>. Equal
    /// requests give equal texts: give each its own seed where texts are to differ.
    /// </summary>
    public ulong Seed { get; init; }
}

/// <summary>Why a text ended.</summary>
public enum FinishReason
{
    /// <summary>An end-of-sequence token, a stop token or a stop text.</summary>
    Stop,

    /// <summary>
    /// The text has as many tokens as were asked for, or as the model's window leaves, or, where no number was asked for, as the cache holds.
    /// </summary>
    Length,

    /// <summary><see cref="GenerationRequest.StopWhen"/> ended it.</summary>
    Cut,
}

/// <summary>A token and its log-probability under the guided distribution, in nats.</summary>
/// <param name="TokenId">The token.</param>
/// <param name="LogProb">log_softmax of the guided scores over the mask.</param>
public readonly record struct Alternative(int TokenId, float LogProb);

/// <summary>What is known of one drawn token; all in nats.</summary>
/// <param name="LogProb">Under the guided distribution, before penalties, temperature and truncation.</param>
/// <param name="Entropy">Of the distribution that it was drawn from.</param>
/// <param name="Temperature">What the scores were divided by; 0 where the best token was taken.</param>
/// <param name="BranchLogProbs">Under each branch alone, in the order of <see cref="GenerationResult.Branches"/>.</param>
/// <param name="Alternatives">The best tokens by guided log-probability, best first.</param>
public sealed record TokenLogProbs(
    float LogProb, float Entropy, float Temperature, IReadOnlyList<float> BranchLogProbs, IReadOnlyList<Alternative> Alternatives);

/// <summary>One generated text.</summary>
public sealed record GenerationResult
{
    /// <summary>Place of the request in its call, from 0.</summary>
    public required int RequestIndex { get; init; }

    /// <summary>Which of the request's N texts, from 0.</summary>
    public required int SampleIndex { get; init; }

    /// <summary>The text; empty where the model has no tokenizer.</summary>
    public required string Text { get; init; }

    /// <summary>Generated tokens, a final end-of-sequence or stop token included.</summary>
    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>Why the text ended.</summary>
    public required FinishReason FinishReason { get; init; }

    /// <summary>Seed that makes this text again as the first text of a request.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Names of the branches that ran.</summary>
    public required IReadOnlyList<string> Branches { get; init; }

    /// <summary>For each token, where <see cref="SamplingParams.LogProbs"/> asked for them; else null.</summary>
    public IReadOnlyList<TokenLogProbs>? LogProbs { get; init; }

    /// <summary>Tokens of the prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>One line each: what was done differently than asked.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}

/// <summary>A piece of a text while it is generated.</summary>
/// <param name="SampleIndex">Which of the request's N texts.</param>
/// <param name="TokenId">The token.</param>
/// <param name="Text">Text that became certain with this token: whole characters, and nothing that may still turn out a stop text.</param>
/// <param name="Result">The whole text, with its last token; else null.</param>
public sealed record GeneratedToken(int SampleIndex, int TokenId, string Text, GenerationResult? Result);

/// <summary>Seeds of items.</summary>
public static class Seeds
{
    /// <summary>Seeds fit a JSON number: 53 bits.</summary>
    private const ulong Mask = (1UL << 53) - 1;

    /// <summary>
    /// The seed of item <paramref name="item"/> of a run: the run's own for item 0, so that a printed seed makes its text again, and a
    /// scrambled one for others (SplitMix64's finaliser), so that runs with neighbouring seeds share no items.
    /// </summary>
    public static ulong Derive(ulong seed, int item)
    {
        if (item == 0)
            return seed;
        ulong z = seed + 0x9E3779B97F4A7C15UL * (ulong)item;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return (z ^ (z >> 31)) & Mask;
    }
}
