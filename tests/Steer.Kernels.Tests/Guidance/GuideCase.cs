namespace Steer.Kernels.Tests.Guidance;

/// <summary>The inputs of one guided step of one sequence, as a test writes them.</summary>
internal sealed record GuideCase
{
    /// <summary>Logits of each branch [branches, vocab].</summary>
    public required float[][] Logits { get; init; }

    /// <summary>Weight and kind of each branch; rows of logits are given by the runner.</summary>
    public required GuideBranch[] Branches { get; init; }

    /// <summary>All other parameters; starts, counts and slots are given by the runner.</summary>
    public required GuideRow Row { get; init; }

    public TokenBias[] Biases { get; init; } = [];

    /// <summary>Penalty counts [vocab] of the sequence, or null where it has no slot.</summary>
    public int[]? Counts { get; init; }

    /// <summary>Tokens that may be drawn [vocab], or null for all.</summary>
    public bool[]? Allowed { get; init; }

    public int[] EosIds { get; init; } = [];

    public int VocabSize => Logits[0].Length;

    /// <summary>A row that changes nothing: no mask, no penalty, temperature 1, no truncation.</summary>
    public static GuideRow Neutral => new()
    {
        Floor = -1e4f, RepetitionPenalty = 1, Temperature = 1, TopP = 1, TypicalP = 1, ForcedToken = -1,
    };

    /// <summary>One branch of weight 1.</summary>
    public static GuideCase Plain(float[] logits, GuideRow? row = null) =>
        new() { Logits = [logits], Branches = Weights(1), Row = row ?? Neutral };

    /// <summary>Branches with these weights, each by itself.</summary>
    public static GuideBranch[] Weights(params float[] weights) =>
        [.. weights.Select(w => new GuideBranch { Weight = w, GroupSize = 1 })];

    /// <summary>The same case with another row.</summary>
    public GuideCase With(RowChange change)
    {
        GuideRow row = Row;
        change(ref row);
        return this with { Row = row };
    }
}

/// <summary>Sets some fields of a row.</summary>
internal delegate void RowChange(ref GuideRow row);

/// <summary>What a device gave for one case.</summary>
internal sealed record GuideOutcome(GuideResult Result, float[] BranchLogProbs, TokenLogProb[] Alternatives, int[]? Counts);
