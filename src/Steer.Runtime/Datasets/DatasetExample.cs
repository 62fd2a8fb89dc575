using Steer.Runtime.Engine;

namespace Steer.Runtime.Datasets;

/// <summary>One text that a job made, as its line holds it.</summary>
public sealed record DatasetExample
{
    /// <summary>The item, from 0.</summary>
    public required int Id { get; init; }

    /// <summary>The round that made it.</summary>
    public required int Round { get; init; }

    /// <summary>How often the item was tried before.</summary>
    public required int Attempt { get; init; }

    /// <summary>What kind it is of; null where the job has no labels.</summary>
    public string? Label { get; init; }

    /// <summary>The text, without the prefix that stands between prompt and text.</summary>
    public required string Text { get; init; }

    /// <summary>Named groups of the pattern, and members of the object that a schema describes.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Fields { get; init; } = [];

    /// <summary>Generated tokens, the end included.</summary>
    public required IReadOnlyList<int> TokenIds { get; init; }

    /// <summary>Why the text ended.</summary>
    public required FinishReason FinishReason { get; init; }

    /// <summary>Makes the text again, with the same negatives.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Strength of the expert; null for the preset's own.</summary>
    public required float? Gamma { get; init; }

    /// <summary>Strength of the negatives.</summary>
    public required float Eta { get; init; }

    /// <summary>The negatives: real:N for a real example (from 0), item:N for an accepted one.</summary>
    public required IReadOnlyList<string> Negatives { get; init; }

    /// <summary>Log-probability of all tokens, in nats: guided, and under each branch alone.</summary>
    public required IReadOnlyList<KeyValuePair<string, double>> LogProbs { get; init; }

    /// <summary>Per token, under the expert, or under the first branch where there is no expert.</summary>
    public required double Perplexity { get; init; }

    /// <summary>Mean over the tokens of the entropy of the distribution that each was drawn from, in nats.</summary>
    public double Entropy { get; init; }

    /// <summary>Longest run of words that a real example has too.</summary>
    public int CopiedRun { get; init; }

    /// <summary>Why it was refused; null for an accepted one.</summary>
    public Rejection? Rejection { get; init; }

    /// <summary>What an item became, before it is judged.</summary>
    /// <param name="planned">The item.</param>
    /// <param name="result">What the engine made of its request.</param>
    /// <param name="completionPrefix">Cut off the text.</param>
    /// <param name="nameOf">Name of a place of the pool.</param>
    internal static DatasetExample Of(PlannedItem planned, GenerationResult result, string completionPrefix, Func<int, string> nameOf)
    {
        string text = result.Text;
        if (text.StartsWith(completionPrefix, StringComparison.Ordinal))
            text = text[completionPrefix.Length..];
        var sums = new double[result.Branches.Count];
        double guided = 0, entropy = 0;
        foreach (var token in result.LogProbs!)
        {
            guided += token.LogProb;
            entropy += token.Entropy;
            for (int branch = 0; branch < sums.Length; branch++)
                sums[branch] += token.BranchLogProbs[branch];
        }

        int reference = Math.Max(0, result.Branches.ToList().IndexOf("expert"));
        return new DatasetExample
        {
            Id = planned.Item.Id,
            Round = planned.Round,
            Attempt = planned.Item.Attempt,
            Label = planned.Label,
            Text = text.TrimEnd(),
            TokenIds = result.TokenIds,
            FinishReason = result.FinishReason,
            Seed = result.Seed,
            Gamma = planned.Request.Guidance.Gamma,
            Eta = planned.Request.Guidance.Eta,
            Negatives = [.. planned.Negatives.Select(nameOf)],
            LogProbs = [KeyValuePair.Create("guided", guided), .. result.Branches.Zip(sums, KeyValuePair.Create)],
            Perplexity = Math.Exp(-sums[reference] / result.TokenIds.Count),
            Entropy = entropy / result.TokenIds.Count,
        };
    }
}

/// <summary>Why a text was refused.</summary>
/// <param name="Reason">One word: see <see cref="Reasons"/>, or that of the caller's own filter.</param>
/// <param name="Of">What it repeats: real:N or item:N; null where it repeats nothing.</param>
public sealed record Rejection(string Reason, string? Of = null);

/// <summary>Reasons to refuse a text.</summary>
public static class Reasons
{
    /// <summary>It has no word.</summary>
    public const string Empty = "empty";

    /// <summary>It was cut off by the most tokens asked for.</summary>
    public const string Unfinished = "unfinished";

    /// <summary>Fewer characters than asked for.</summary>
    public const string TooShort = "too_short";

    /// <summary>More characters than asked for.</summary>
    public const string TooLong = "too_long";

    /// <summary>It does not match the pattern.</summary>
    public const string Pattern = "pattern";

    /// <summary>It is no JSON, or not what the schema describes.</summary>
    public const string Schema = "schema";

    /// <summary>It repeats the same words over and over.</summary>
    public const string Loop = "loop";

    /// <summary>The words of a real or an accepted example, in the same order.</summary>
    public const string Duplicate = "duplicate";

    /// <summary>Nearly the shingles of one.</summary>
    public const string NearDuplicate = "near_duplicate";
}
