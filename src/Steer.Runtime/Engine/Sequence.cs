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

    public Context[] Contexts { get; }

    public List<int> Generated { get; } = [];

    public List<TokenLogProbs> LogProbs { get; } = [];

    public IReadOnlyList<TokenBias> Biases { get; }

    /// <summary>Tokens that end the text.</summary>
    public IReadOnlyList<int> Stops { get; init; } = [];

    /// <summary>Biases that forbid tokens until <see cref="SamplingParams.MinTokens"/> are there.</summary>
    public IReadOnlyList<TokenBias> Bans { get; init; } = [];

    /// <summary>Row of penalty counts; -1 while not running or where no penalty applies.</summary>
    public int PenaltySlot { get; set; } = -1;

    /// <summary>Tokens that are taken instead of drawn ones (a text is scored, not made); null to draw.</summary>
    public IReadOnlyList<int>? Forced { get; init; }

    /// <summary>Where the text stands in the grammar that it has to fit; null for none.</summary>
    public GrammarPath? Grammar { get; init; }

    /// <summary>Sees each piece of the text, and ends it where it is true; null for none.</summary>
    public Func<string, bool>? StopWhen { get; init; }

    /// <summary>Somebody looks at the text piece by piece.</summary>
    public bool TakesPieces => StopWhen is not null || Sink.TakesPieces;

    /// <summary>The sink wants the raw logits of every step.</summary>
    public bool KeepLogits { get; init; }

    /// <summary>The sink wants the hidden state behind every step's logits.</summary>
    public bool KeepHidden { get; init; }

    /// <summary>
    /// Steps that may be taken at once: one where tokens are drawn; where they are known, all that are left, or, by the grammar, they and the
    /// one after. A penalty looks at each by itself.
    /// </summary>
    public int MaxDraws => Sampling.HasPenalties ? 1
        : Forced is { } forced ? forced.Count - Generated.Count
        : Grammar is { } grammar ? Math.Min(grammar.Known.Count + 1, TokensLeft) : 1;

    /// <summary>Tokens still to draw, at most.</summary>
    public int TokensLeft => MaxTokens - Generated.Count;

    /// <summary>Steps may follow each other with no word from the host: the next token is drawn, and nothing but its result is wanted.</summary>
    public bool CanQueue => Forced is null && Grammar is null && !KeepLogits && !KeepHidden;

    /// <summary>What the text says may end it, not its tokens alone.</summary>
    public bool EndsByText => Sampling.Stop.Count > 0 || StopWhen is not null;

    /// <summary>
    /// Tokens of <see cref="Generated"/> that the sink has; the others are looked at next, and dropped where they lie beyond an end.
    /// </summary>
    public int Delivered { get; set; }

    /// <summary>A step gave nothing that can be used.</summary>
    public bool Failed { get; set; }

    /// <summary>Nothing more comes; the sink has been told, or is next (<see cref="OutputProcessor.Notify"/>).</summary>
    public bool Ended { get; set; }

    /// <summary>Token i of the output, known ones included.</summary>
    public int Output(int i) => Forced is { } forced ? forced[i] : i < Generated.Count ? Generated[i] : Grammar!.Known[i - Generated.Count];

    /// <summary>Place of the request in its call.</summary>
    public int RequestIndex { get; init; }

    /// <summary>Which of the request's texts.</summary>
    public int SampleIndex { get; init; }

    /// <summary>Why the sequence failed; null while it did not.</summary>
    public Exception? Error { get; set; }

    /// <summary>Set from any thread; the engine drops the sequence before its next step.</summary>
    public volatile bool Cancelled;

    /// <summary>Tokens of the reference branch's prompt.</summary>
    public IReadOnlyList<int> Prompt => Plan.Branches[Plan.Reference].Context;

    /// <summary>The finished text, as hosts see it.</summary>
    public GenerationResult Result(FinishReason reason) => new()
    {
        RequestIndex = RequestIndex,
        SampleIndex = SampleIndex,
        Text = Text?.Text ?? "",
        TokenIds = Generated,
        FinishReason = reason,
        Seed = Seed,
        Branches = [.. Plan.Branches.Select(b => b.Name)],
        LogProbs = Sampling.LogProbs is null ? null : LogProbs,
        PromptTokens = Prompt.Count,
        Warnings = Plan.Warnings,
    };
}
