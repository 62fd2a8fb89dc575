namespace Steer.Kernels;

/// <summary>
/// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a random number for each
/// (seed, step) with no state, so that an item's text depends on nothing else in its batch. Plain arithmetic: every device runs this code.
/// </summary>
public static class Philox
{
    /// <summary>A number in [0, 1) with 53 random bits.</summary>
    /// <param name="seed">The seed of the item.</param>
    /// <param name="step">Which number of the stream: for tokens their index in the output.</param>
    /// <param name="stream">Which of the item's independent streams; tokens are drawn from stream 0.</param>
    public static double Uniform(ulong seed, int step, uint stream = 0)
    {
        uint a = (uint)step, b = stream, c = 0, d = 0;
        Block(seed, ref a, ref b, ref c, ref d);
        return ((((ulong)a << 32) | b) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>Turns the four words of a counter into four random words.</summary>
    /// <param name="key">The key, its first word in the lower half.</param>
    /// <param name="a">Word 0.</param>
    /// <param name="b">Word 1.</param>
    /// <param name="c">Word 2.</param>
    /// <param name="d">Word 3.</param>
    public static void Block(ulong key, ref uint a, ref uint b, ref uint c, ref uint d)
    {
        uint k0 = (uint)key, k1 = (uint)(key >> 32);
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53UL * a, p1 = 0xCD9E8D57UL * c;
            uint na = (uint)(p1 >> 32) ^ b ^ k0;
            uint nc = (uint)(p0 >> 32) ^ d ^ k1;
            b = (uint)p1;
            d = (uint)p0;
            a = na;
            c = nc;
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
    }
}
