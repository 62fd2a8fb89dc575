using Steer.Kernels;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Engine;

/// <summary>One text while it is generated: its contexts, its tokens, and who waits for it.</summary>
internal sealed class Sequence
{
    public Sequence(GuidancePlan plan, SamplingParams sampling, int maxTokens, ulong seed, TextAssembler? text, ISequenceSink sink)
    {
        Plan = plan;
        Sampling = sampling;
        MaxTokens = maxTokens;
        Seed = seed;
        Text = text;
        Sink = sink;
        Contexts = [.. plan.Branches.Select(b => new Context(b, this))];
        Biases = [.. sampling.LogitBias.Select(b => new TokenBias { Token = b.Key, Bias = b.Value })];
    }

    public GuidancePlan Plan { get; }

    public SamplingParams Sampling { get; }

    /// <summary>Most tokens, the window taken into account.</summary>
    public int MaxTokens { get; }

    public ulong Seed { get; }

    /// <summary>Turns tokens into text; null where there is no tokenizer.</summary>
    public TextAssembler? Text { get; }

    public ISequenceSink Sink { get; }

    public IReadOnlyList<Context> Contexts { get; }

    public List<int> Generated { get; } = [];

    public List<TokenLogProbs> LogProbs { get; } = [];

    public IReadOnlyList<TokenBias> Biases { get; }

    /// <summary>Row of penalty counts; -1 while not running or where no penalty applies.</summary>
    public int PenaltySlot { get; set; } = -1;

    /// <summary>Tokens that are taken instead of drawn ones (a text is scored, not made); null to draw.</summary>
    public IReadOnlyList<int>? Forced { get; init; }

    /// <summary>The sink wants the raw logits of every step.</summary>
    public bool KeepLogits { get; init; }

    /// <summary>Steps that may be taken at once: one where tokens are drawn; where they are known, all that are left, unless a penalty looks at each.</summary>
    public int MaxDraws => Forced is null || Sampling.HasPenalties ? 1 : Forced.Count - Generated.Count;

    /// <summary>Token i of the output.</summary>
    public int Output(int i) => Forced is { } forced ? forced[i] : Generated[i];

    /// <summary>Set from any thread; the engine drops the sequence before its next step.</summary>
    public volatile bool Cancelled;

    /// <summary>Tokens of the reference branch's prompt.</summary>
    public IReadOnlyList<int> Prompt => Plan.Branches[Plan.Reference].Context;
}

/// <summary>Takes what a sequence gives; called on the engine's thread and must not block.</summary>
internal interface ISequenceSink
{
    /// <summary>A token was drawn; text is what became certain with it.</summary>
    void OnToken(Sequence sequence, int token, string text);

    /// <summary>Raw logits [vocab] of one branch at one step; only where the sequence keeps them.</summary>
    void OnLogits(Sequence sequence, int branch, ReadOnlySpan<float> logits);

    /// <summary>The text ended.</summary>
    void OnFinished(Sequence sequence, FinishReason reason);

    /// <summary>The text cannot be finished.</summary>
    void OnFailed(Sequence sequence, Exception error);
}
