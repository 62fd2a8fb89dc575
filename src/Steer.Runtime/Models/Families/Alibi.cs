namespace Steer.Runtime.Models.Families;

/// <summary>Slopes of ALiBi (Press et al., arXiv 2108.12409).</summary>
internal static class Alibi
{
    /// <summary>
    /// For n heads, a power of two, 2^(-8/n), 2^(-16/n) ... 2^-8. Otherwise those of the next lower power of two, then every other
    /// one of twice that many.
    /// </summary>
    public static float[] Slopes(int numHeads)
    {
        int powerOfTwo = 1 << (31 - int.LeadingZeroCount(numHeads));
        var slopes = new float[numHeads];
        for (int h = 0; h < numHeads; h++)
        {
            slopes[h] = h < powerOfTwo
                ? (float)Math.Pow(2, -8.0 * (h + 1) / powerOfTwo)
                : (float)Math.Pow(2, -8.0 * (2 * (h - powerOfTwo) + 1) / (2.0 * powerOfTwo));
        }

        return slopes;
    }
}
