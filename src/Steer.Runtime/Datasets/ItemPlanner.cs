using Steer.Runtime.Chat;
using Steer.Runtime.Engine;

namespace Steer.Runtime.Datasets;

/// <summary>One item of a round.</summary>
/// <param name="Id">The item, from 0.</param>
/// <param name="Attempt">How often it was tried before.</param>
public readonly record struct DatasetItem(int Id, int Attempt);

/// <summary>What is asked of the engine for one item.</summary>
/// <param name="Item">The item.</param>
/// <param name="Round">The round that it is part of.</param>
/// <param name="Request">The request.</param>
/// <param name="Negatives">Indexes into the pool of the request's negatives.</param>
/// <param name="Label">What kind of example it is to be; null where the job has no labels.</param>
public sealed record PlannedItem(DatasetItem Item, int Round, GenerationRequest Request, IReadOnlyList<int> Negatives, string? Label);

/// <summary>
/// From the job, the pool as a round found it, and an item to a request: no state, no clock, so any process that knows the three can make the item.
/// </summary>
/// <param name="config">The job.</param>
/// <param name="countTokens">Tokens of a text; needed for <see cref="DatasetJobConfig.NegativeTokens"/> alone.</param>
public sealed class ItemPlanner(DatasetJobConfig config, Func<string, int>? countTokens = null)
{
    // Fixed numbers that keep the seeds of retries and of groups apart from those of the items; below 2^53, as seeds are.
    private const ulong RetrySalt = 0x0015_a4d3_96e1_b27c;
    private const ulong GroupSalt = 0x000b_7c19_0f5d_e836;

    /// <summary>The seed of an item: derived from the job's for the first attempt, and anew for each later one.</summary>
    public static ulong Seed(ulong jobSeed, DatasetItem item)
    {
        ulong seed = Seeds.Derive(jobSeed, item.Id);
        return item.Attempt == 0 ? seed : Seeds.Derive(seed ^ RetrySalt, item.Attempt);
    }

    /// <summary>Plans one item.</summary>
    /// <param name="pool">The pool as the round found it; that of the item's label.</param>
    /// <param name="round">The round.</param>
    /// <param name="item">The item.</param>
    public PlannedItem Plan(NegativePool pool, int round, DatasetItem item)
    {
        ulong seed = Seed(config.Seed, item);
        var guidance = config.Guidance;
        if (config.GammaSweep.Count > 0)
            guidance = guidance with { Gamma = config.GammaSweep[item.Id % config.GammaSweep.Count] };
        if (config.EtaSweep.Count > 0)
            guidance = guidance with { Eta = config.EtaSweep[item.Id / Math.Max(1, config.GammaSweep.Count) % config.EtaSweep.Count] };

        // Negatives that push nothing are not drawn: the line would tell of them in vain.
        bool pushes = guidance.Eta > 0 && guidance.Preset == Guidance.GuidancePreset.Steer;
        int[] negatives = pushes ? WithinBudget(pool, Choose(pool, NegativeSeed(seed, round, item.Id))) : [];
        var label = config.LabelOf(item.Id);
        string prompt = label?.Prompt ?? config.Prompt;
        var request = new GenerationRequest
        {
            Prompt = config.Chat ? null : prompt,
            Messages = config.Chat ? ChatTurn.Ask(prompt, config.System) : null,
            TemplateVariables = config.TemplateVariables,
            Today = DatasetJobConfig.ChatDate,
            Expert = label?.Expert ?? 0,
            Negatives = [.. negatives.Select(i => pool[i])],
            NegativeSeparator = config.NegativeSeparator,
            Guidance = guidance,
            Sampling = config.Sampling with { LogProbs = 0 },
            StopWhen = RepetitionLoop.Watch,
            Seed = seed,
        };
        return new PlannedItem(item, round, request, negatives, label?.Name);
    }

    private int[] Choose(NegativePool pool, ulong seed) =>
        config.NegativeChoice == NegativeChoice.Similar ? pool.DrawSimilar(seed, config.Negatives) : pool.Draw(seed, config.Negatives);

    private ulong NegativeSeed(ulong seed, int round, int id) => config.NegativeGroup == 1
        ? seed
        : Seeds.Derive(Seeds.Derive(config.Seed ^ GroupSalt, round + 1), (id / config.NegativeGroup) + 1);

    private int[] WithinBudget(NegativePool pool, int[] drawn)
    {
        if (config.NegativeTokens is not { } budget || countTokens is null)
            return drawn;
        int kept = 0, tokens = 0;
        while (kept < drawn.Length && (tokens += countTokens(pool[drawn[kept]])) <= budget)
            kept++;
        return drawn[..kept];
    }
}
