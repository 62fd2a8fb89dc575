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
        Contexts = [.. plan.Branches.Select(b => new Context(b, Generated))];
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

    /// <summary>Set from any thread; the engine drops the sequence before its next step.</summary>
    public volatile bool Cancelled;

    /// <summary>Tokens of the reference branch's prompt.</summary>
    public IReadOnlyList<int> Prompt => Plan.Branches[Plan.Reference].Context;
}

/// <summary>Takes what a sequence gives; called on the engine's thread and must not block.</summary>
internal interface ISequenceSink
{
    /// <summary>A token was drawn.</summary>
    void OnToken(Sequence sequence, int token, string text);

    /// <summary>The text ended.</summary>
    void OnFinished(Sequence sequence, FinishReason reason);

    /// <summary>The text cannot be finished.</summary>
    void OnFailed(Sequence sequence, Exception error);
}
