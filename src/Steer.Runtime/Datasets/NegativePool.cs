using Steer.Kernels;

namespace Steer.Runtime.Datasets;

/// <summary>Examples that texts are pushed away from: real ones, and those accepted so far.</summary>
/// <param name="examples">The pool as it stands; what is appended later is not part of it, so that a pool is a snapshot of a list that grows.</param>
public sealed class NegativePool(IReadOnlyList<string> examples)
{
    /// <summary>Stream of random numbers for negatives, so that they share none with the tokens (stream 0) of the same seed.</summary>
    private const uint Stream = 1;

    /// <summary>Examples in the pool.</summary>
    public int Count { get; } = examples.Count;

    /// <summary>An example.</summary>
    public string this[int index] => examples[index];

    /// <summary>Draws k different examples uniformly, or all where there are fewer; the same ones for the same seed and pool.</summary>
    /// <param name="seed">Seed of the item.</param>
    /// <param name="k">How many.</param>
    /// <returns>Indexes into the pool, in the order in which they were drawn.</returns>
    public int[] Draw(ulong seed, int k)
    {
        // The first k steps of a Fisher-Yates shuffle, with only the moved places stored.
        k = Math.Min(k, Count);
        var moved = new Dictionary<int, int>();
        var drawn = new int[k];
        for (int i = 0; i < k; i++)
        {
            int j = i + (int)(Philox.Uniform(seed, i, Stream) * (Count - i));
            drawn[i] = moved.GetValueOrDefault(j, j);
            moved[j] = moved.GetValueOrDefault(i, i);
        }

        return drawn;
    }
}
