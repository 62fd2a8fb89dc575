namespace Steer.Kernels;

/// <summary>
/// Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a random number for each
/// (seed, step) with no state, so that an item's text depends on nothing else in its batch. Plain arithmetic: every device runs this code.
/// </summary>
public static class Philox
{
    /// <summary>A number in [0, 1) with 53 random bits, for token <paramref name="step"/> of the item with this seed.</summary>
    public static double Uniform(ulong seed, int step)
    {
        Block(seed, (uint)step, 0, out uint a, out uint b, out _, out _);
        return ((((ulong)a << 32) | b) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>The four 32-bit words of counter (step, stream, 0, 0) under key seed.</summary>
    public static void Block(ulong seed, uint step, uint stream, out uint a, out uint b, out uint c, out uint d)
    {
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        a = step;
        b = stream;
        c = 0;
        d = 0;
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
