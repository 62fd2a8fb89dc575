using System.Runtime.Intrinsics;
using Steer.Kernels;

namespace Steer.Runtime.Datasets;

/// <summary>Examples that texts are pushed away from: real ones, and those accepted so far.</summary>
/// <param name="examples">The pool as it stands; what is appended later is not part of it, so that a pool is a snapshot of a list that grows.</param>
/// <param name="vectors">An embedding of each example, of length 1 or 0; null where <see cref="DrawSimilar"/> is not needed.</param>
public sealed class NegativePool(IReadOnlyList<string> examples, IReadOnlyList<float[]>? vectors = null)
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

    /// <summary>
    /// Draws one example uniformly, and takes the k - 1 whose vectors have the largest cosine with its own, or all where there are fewer.
    /// </summary>
    /// <param name="seed">Seed of the item.</param>
    /// <param name="k">How many.</param>
    /// <returns>Indexes into the pool: the one drawn, then the most similar first; the earlier where two are as similar.</returns>
    /// <exception cref="InvalidOperationException">The pool has no vectors.</exception>
    public int[] DrawSimilar(ulong seed, int k)
    {
        if (vectors is null)
            throw new InvalidOperationException("The pool has no vectors.");
        k = Math.Min(k, Count);
        if (k == 0)
            return [];
        int drawn = (int)(Philox.Uniform(seed, 0, Stream) * Count);
        float[] anchor = vectors[drawn];

        // The k - 1 best so far, the least of them first.
        var nearest = new PriorityQueue<int, (float Cosine, int Earlier)>();
        for (int i = 0; i < Count; i++)
        {
            if (i == drawn)
                continue;
            var rank = (Cosine(anchor, vectors[i]), -i);
            if (nearest.Count < k - 1)
                nearest.Enqueue(i, rank);
            else if (k > 1)
                nearest.EnqueueDequeue(i, rank);
        }

        var taken = new int[k];
        taken[0] = drawn;
        for (int place = k - 1; place > 0; place--)
            taken[place] = nearest.Dequeue();
        return taken;
    }

    /// <summary>Scales a vector to length 1, so that products are cosines; one of zeros stays as it is.</summary>
    /// <exception cref="ArgumentException">A number is not finite.</exception>
    internal static float[] Normalise(ReadOnlySpan<float> vector)
    {
        double square = 0;
        foreach (float x in vector)
            square += (double)x * x;
        if (!double.IsFinite(square))
            throw new ArgumentException("An embedding holds a number that is not finite.", nameof(vector));
        double scale = square == 0 ? 0 : 1 / Math.Sqrt(square);
        var unit = new float[vector.Length];
        for (int i = 0; i < unit.Length; i++)
            unit[i] = (float)(vector[i] * scale);
        return unit;
    }

    // Eight lanes and fused multiply-adds on every processor: which of two examples is nearer must not depend on the machine.
    private static float Cosine(float[] a, float[] b)
    {
        var sum = Vector256<float>.Zero;
        int i = 0;
        for (; i <= a.Length - Vector256<float>.Count; i += Vector256<float>.Count)
            sum = Vector256.FusedMultiplyAdd(Vector256.Create(a, i), Vector256.Create(b, i), sum);
        float rest = 0;
        for (; i < a.Length; i++)
            rest = MathF.FusedMultiplyAdd(a[i], b[i], rest);
        var half = sum.GetLower() + sum.GetUpper();
        return (half[0] + half[2]) + (half[1] + half[3]) + rest;
    }
}
