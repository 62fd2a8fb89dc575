using Steer.Kernels;

namespace Steer.Runtime.Evaluation;

/// <summary>Seeded choices of places.</summary>
internal static class RandomSubset
{
    /// <summary>The places 0..count - 1 in a random order (Fisher-Yates).</summary>
    public static int[] Permutation(int count, ulong seed, uint stream)
    {
        int[] places = [.. Enumerable.Range(0, count)];
        for (int i = 0; i < count - 1; i++)
        {
            int j = i + (int)(Philox.Uniform(seed, i, stream) * (count - i));
            (places[i], places[j]) = (places[j], places[i]);
        }

        return places;
    }

    /// <summary><paramref name="take"/> of the places 0..count - 1, without replacement, ascending; all of them where there are no more.</summary>
    public static int[] Draw(int count, int take, ulong seed, uint stream) =>
        take >= count ? [.. Enumerable.Range(0, count)] : [.. Permutation(count, seed, stream).Take(take).Order()];
}
