using System.Text.Json;
using System.Text.Json.Serialization;
using Steer.Runtime.Engine;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Datasets;

/// <summary>
/// Everything that decides which examples a dataset job makes, beside the files that <see cref="DatasetSources"/> names. Batch size, threads
/// and memory are not in it, because the examples do not depend on them.
/// </summary>
public sealed record DatasetJobConfig
{
    /// <summary>What the model continues.</summary>
    public required string Prompt { get; init; }

    /// <summary>
    /// Prompts are what a user says, and texts the answers: see <see cref="GenerationRequest.Messages"/>. A chat template that tells the model the
    /// date tells <see cref="ChatDate"/>.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Chat { get; init; }

    /// <summary><see cref="Chat"/>: what the system says before each prompt; null for nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public string? System { get; init; }

    /// <summary><see cref="Chat"/>: what else the chat template may look at, such as enable_thinking; null for nothing.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public IReadOnlyDictionary<string, JsonElement>? TemplateVariables { get; init; }

    /// <summary>Kinds of examples with prompts of their own, instead of <see cref="Prompt"/>; none where all are of one kind.</summary>
    public IReadOnlyList<DatasetLabel> Labels { get; init; } = [];

    /// <summary>What stands between the prompt and a text; cut off the texts.</summary>
    public string CompletionPrefix { get; init; } = "";

    /// <summary>Examples to make: items 0 to Count - 1, each of which gives one example or is given up.</summary>
    public required int Count { get; init; }

    /// <summary>Seed of the job; see <see cref="ItemPlanner"/> for those of the items.</summary>
    public ulong Seed { get; init; }

    /// <summary>Items of a round; all see the pool as the round before left it.</summary>
    public int RoundSize { get; init; } = 256;

    /// <summary>Times an item is tried before it is given up.</summary>
    public int MaxAttempts { get; init; } = 10;

    /// <summary>Negatives drawn for each item.</summary>
    public int Negatives { get; init; } = 10;

    /// <summary>Which examples of the pool are an item's negatives.</summary>
    public NegativeChoice NegativeChoice { get; init; }

    /// <summary>Stands between joined negatives.</summary>
    public string NegativeSeparator { get; init; } = " ";

    /// <summary>Items with neighbouring ids that share their negatives, so that the negatives' keys and values are computed once.</summary>
    public int NegativeGroup { get; init; } = 1;

    /// <summary>Most tokens of an item's negatives; whole examples are dropped, the last drawn first. Null for what the window holds.</summary>
    public int? NegativeTokens { get; init; }

    /// <summary>Accepted examples become negatives of later rounds; else the pool stays the real examples.</summary>
    public bool GrowPool { get; init; } = true;

    /// <summary>How the models steer each other.</summary>
    public GuidanceParams Guidance { get; init; } = new();

    /// <summary>Values of gamma that the items go through in turn; empty for the one of <see cref="Guidance"/>.</summary>
    public IReadOnlyList<float> GammaSweep { get; init; } = [];

    /// <summary>Values of eta, likewise; with two sweeps the items go through all pairs, gamma first.</summary>
    public IReadOnlyList<float> EtaSweep { get; init; } = [];

    /// <summary>How tokens are drawn.</summary>
    public SamplingParams Sampling { get; init; } = new();

    /// <summary>What a text must be like.</summary>
    public QualityRules Quality { get; init; } = new();

    /// <summary>Lines hold the token ids.</summary>
    public bool TokenIds { get; init; }

    /// <summary>
    /// The part of the items that this job makes; null for all. Needs a pool that does not grow, since parts do not see each other's examples.
    /// </summary>
    public DatasetShard? Shard { get; init; }

    /// <summary>The date in every job, so that a job makes the same texts on another day.</summary>
    public static DateOnly ChatDate { get; } = new(2026, 1, 1);

    /// <summary>Items that this job makes.</summary>
    [JsonIgnore]
    public int ItemCount => Shard is { } shard ? (Count - shard.Index - 1) / shard.Count + 1 : Count;

    /// <summary>
    /// The label of an item, by its id alone; null where there are none. Multiples of the golden ratio fill the unit interval evenly, so that the
    /// shares hold for every stretch of items to within a few, whatever sweeps and shards pick out of them.
    /// </summary>
    public DatasetLabel? LabelOf(int id)
    {
        if (Labels.Count == 0)
            return null;
        const double goldenRatio = 0.6180339887498949;
        double place = (id + 0.5) * goldenRatio % 1 * Labels.Sum(l => l.Share);
        foreach (var label in Labels)
        {
            place -= label.Share;
            if (place < 0)
                return label;
        }

        return Labels[^1];
    }

    /// <summary>Throws where a number is outside its range.</summary>
    /// <exception cref="SteerException">One line that names the option.</exception>
    public void Check()
    {
        Require(Count >= 1, "count", Count, "at least 1");
        Require(RoundSize >= 1, "round", RoundSize, "at least 1");
        Require(MaxAttempts >= 1, "max-attempts", MaxAttempts, "at least 1");
        Require(Negatives >= 0, "negatives per item", Negatives, "at least 0");
        Require(NegativeGroup >= 1, "negative-group", NegativeGroup, "at least 1");
        Require(NegativeTokens is null or >= 1, "negative-tokens", NegativeTokens ?? 0, "at least 1");
        Require(Sampling.N == 1, "n", Sampling.N, "1 in a dataset job, where count says how many examples there are");
        if (Labels.FirstOrDefault(l => !(l.Share > 0 && double.IsFinite(l.Share)) || l.Expert < 0) is { } label)
        {
            throw new SteerException(FormattableString.Invariant(
                $"label {label.Name} has share {label.Share} and expert {label.Expert}: give a share above 0 and an expert from 0."));
        }

        if (Labels.Select(l => l.Name).Distinct(StringComparer.Ordinal).Count() < Labels.Count)
            throw new SteerException("Two labels have the same name: give each its own.");
        if (Shard is { } shard && (shard.Index < 0 || shard.Index >= shard.Count || shard.Count > Count))
            throw new SteerException($"shard is {shard}: give i/n with i from 0 to n - 1, and n no more than count.");
        if (Shard is not null && GrowPool)
            throw new SteerException("A shard does not see what the others accept: it needs a pool of the real examples alone (--pool real).");
        Guidance.Check();
        Sampling.Check();
        Quality.Check();
        foreach (float gamma in GammaSweep)
            (Guidance with { Gamma = gamma }).Check();
        foreach (float eta in EtaSweep)
            (Guidance with { Eta = eta }).Check();
    }

    private static void Require(bool holds, string name, int value, string range)
    {
        if (!holds)
            throw new SteerException($"{name} is {value}: give {range}.");
    }
}

/// <summary>
/// A kind of examples. Its negatives are real and accepted examples of its own where real ones carry its name, else those of no label.
/// </summary>
/// <param name="Name">As lines of examples name it.</param>
/// <param name="Prompt">What the model continues.</param>
/// <param name="Share">Its part of the items, in relation to the shares of the others.</param>
/// <param name="Expert">Which expert of the engine; see <see cref="GenerationRequest.Expert"/>.</param>
public sealed record DatasetLabel(string Name, string Prompt, double Share = 1, int Expert = 0);

/// <summary>Which examples of a pool are an item's negatives.</summary>
public enum NegativeChoice
{
    /// <summary>Any, each as likely as the others.</summary>
    Uniform,

    /// <summary>One that the item's seed draws, and those most similar to it.</summary>
    Similar,
}

/// <summary>Every n-th item: those whose id leaves <paramref name="Index"/> when divided by <paramref name="Count"/>.</summary>
/// <param name="Index">Which part, from 0.</param>
/// <param name="Count">Parts.</param>
public sealed record DatasetShard(int Index, int Count)
{
    /// <summary>i/n, as it is given.</summary>
    public override string ToString() => $"{Index}/{Count}";
}
