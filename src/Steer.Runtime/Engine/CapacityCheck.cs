using Steer.Kernels;
using Steer.Runtime.Guidance;

namespace Steer.Runtime.Engine;

/// <summary>How long a text can become: what the models' windows, a step and the cache of keys and values leave.</summary>
/// <param name="models">Their windows.</param>
/// <param name="pools">Blocks of the cache of each decoder.</param>
/// <param name="decoderOf">Decoder of each variant.</param>
/// <param name="limits">How much a step may hold.</param>
internal sealed class CapacityCheck(
    ModelSet models, IReadOnlyList<BlockPool> pools, IReadOnlyDictionary<Variant, int> decoderOf, StepLimits limits)
{
    /// <summary>The most tokens that a text may have, and a check that a step and the cache can hold them.</summary>
    /// <param name="plan">The branches, with their contexts.</param>
    /// <param name="asked">Most tokens asked for; null for what the windows leave and the cache holds.</param>
    /// <param name="cacheIsFull">Nothing was asked for, and the cache holds less than the windows leave.</param>
    /// <returns>At least 1 and at most <paramref name="asked"/>.</returns>
    /// <exception cref="SteerException">No token fits, or the text asked for is larger than the whole cache.</exception>
    public int MaxTokens(GuidancePlan plan, int? asked, out bool cacheIsFull)
    {
        int branches = plan.Branches.Count, rows = plan.Branches.GroupBy(b => decoderOf[b.Variant]).Max(g => g.Count());
        if (branches > limits.MaxContexts)
        {
            throw new SteerException(
                $"A text has {branches} branches and a step holds {limits.MaxContexts}: raise --max-batch, or take fewer negatives.");
        }

        if (rows > limits.MaxRows)
        {
            throw new SteerException(
                $"A text has {rows} branches and a forward pass holds {limits.MaxRows} rows: " +
                $"take fewer negatives, or raise {nameof(EngineOptions.MaxBatchedTokens)}.");
        }

        int most = int.MaxValue;
        foreach (var branch in plan.Branches)
        {
            // The last token is drawn and never computed, so it needs no position.
            var config = models[branch.Variant].Config;
            int window = config.MaxPositions, left = window - branch.Context.Count + 1;
            if (left < 1)
            {
                throw new SteerException(
                    $"The {branch.Name} branch begins with {branch.Context.Count} tokens and the model's window is {window}: " +
                    $"shorten it{OrLongerWindow(window, config.WindowLimit)}.");
            }

            most = Math.Min(most, left);
        }

        int tokens = Math.Min(asked ?? int.MaxValue, most);
        for (int pool = 0; pool < pools.Count; pool++)
        {
            if (asked is null)
                tokens = MostTokens(plan, pool, tokens);
            int blocks = Blocks(plan, pool, tokens);
            if (blocks > pools[pool].Count)
            {
                throw new SteerException(
                    $"A text of {tokens} tokens needs {blocks} blocks of keys and values and there are {pools[pool].Count}: " +
                    "raise --memory or lower --max-tokens.");
            }
        }

        cacheIsFull = asked is null && tokens < most;
        return tokens;
    }

    /// <summary>What helps but a shorter text where a model's window, in tokens, is smaller than it could be; nothing where it is not.</summary>
    public static string OrLongerWindow(int window, int limit) => limit > window ? $", or raise --max-length, at most to {limit}" : "";

    /// <summary>Blocks of a pool that a text of so many tokens takes. The last token is never computed, so it takes no room.</summary>
    private int Blocks(GuidancePlan plan, int pool, int tokens) => plan.Branches.Where(b => decoderOf[b.Variant] == pool)
        .Sum(b => (b.Context.Count + tokens - 1 + KvCacheShape.BlockSize - 1) / KvCacheShape.BlockSize);

    /// <summary>The most tokens, from 1 to <paramref name="most"/>, that a pool has blocks for; 1 also where it has too few for that.</summary>
    private int MostTokens(GuidancePlan plan, int pool, int most)
    {
        int least = 1;
        while (least < most)
        {
            int middle = least + (most - least + 1) / 2;
            if (Blocks(plan, pool, middle) <= pools[pool].Count)
                least = middle;
            else
                most = middle - 1;
        }

        return least;
    }
}
