using Steer.Runtime.Datasets;
using Steer.Runtime.Engine;

namespace Steer.Cli.Input;

/// <summary>Gives each text its negatives.</summary>
/// <param name="pool">Examples to draw from; null for none.</param>
/// <param name="count">How many are drawn for each text.</param>
/// <param name="ids">One context for all, instead of the pool; null for none.</param>
/// <param name="separator">Stands between joined negatives.</param>
internal sealed class NegativeSource(NegativePool? pool, int count, IReadOnlyList<int>? ids, string separator)
{
    public static NegativeSource None { get; } = new(null, 0, null, " ");

    /// <summary>One context for all texts; or null.</summary>
    public IReadOnlyList<int>? Ids => ids;

    public string Separator => separator;

    /// <summary>The negatives of the text with this seed, in the order in which they were drawn.</summary>
    public IReadOnlyList<string> Draw(ulong seed) => pool is null ? [] : [.. pool.Draw(seed, count).Select(i => pool[i])];

    /// <summary>Adds the negatives of the request's seed to it.</summary>
    public GenerationRequest AddTo(GenerationRequest request) => request with
    {
        Negatives = Draw(request.Seed),
        NegativeIds = ids,
        NegativeSeparator = separator,
    };
}
