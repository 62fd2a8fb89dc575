using System.Runtime.Intrinsics;
using static Steer.Kernels.Host.GuideAndSampleMath;

namespace Steer.Kernels.Host;

/// <summary>
/// Finds the value at which the largest keys together reach a mass, without sorting: bisection over the bits of the value, one sum over
/// the keys for each bit. Keys that are decided are dropped on the way, so it takes about ten sums whatever the order of the keys.
/// </summary>
internal sealed unsafe class GuideAndSampleSelect : IDisposable
{
    private const int StepsPerDrop = 8;

    private readonly HostBuffer<float> _keys;
    private readonly HostBuffer<float> _masses;
    private int _count;

    /// <summary>Takes memory for up to <paramref name="capacity"/> keys.</summary>
    public GuideAndSampleSelect(int capacity)
    {
        _keys = new HostBuffer<float>(capacity + Stride);
        _masses = new HostBuffer<float>(capacity + Stride);
    }

    /// <summary>The caller writes the keys here; <see cref="Threshold"/> overwrites them.</summary>
    public float* Keys => _keys.Data;

    /// <summary>The caller writes the mass of each key here, at least 0; <see cref="Threshold"/> overwrites them.</summary>
    public float* Masses => _masses.Data;

    /// <summary>
    /// The largest key v for which the keys of at least v, and what lies above all keys, have together <paramref name="target"/> or more; the
    /// smallest key where all together have less.
    /// </summary>
    /// <param name="count">Keys, at least one.</param>
    /// <param name="target">Mass to reach.</param>
    /// <param name="above">Mass of what lies above all keys; out: with the mass of the keys above v.</param>
    public float Threshold(int count, double target, ref double above)
    {
        Resize(count);
        // The keys of at least `low` have the mass, those of at least `high` have not.
        uint low = Ordered(Min(Keys, count)), high = Ordered(Max(Keys, count)) + 1;
        for (int step = 1; high - low > 1; step++)
        {
            uint middle = low + (high - low) / 2;
            if (above + MassFrom(Value(middle)) >= target)
                low = middle;
            else
                high = middle;
            if (step % StepsPerDrop == 0)
                Drop(Value(low), Value(high), ref above);
        }
        float threshold = Value(low);
        above += MassFrom(MathF.BitIncrement(threshold));
        return threshold;
    }

    /// <summary>The k-th largest of the keys [count], k at most count; masses are not read.</summary>
    public float KthLargest(int count, int k)
    {
        new Span<float>(Masses, count).Fill(1);
        double above = 0;
        return Threshold(count, k, ref above);
    }

    /// <summary>Mass of all keys [count].</summary>
    public double Mass(int count)
    {
        Resize(count);
        return MassFrom(float.NegativeInfinity);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys.Dispose();
        _masses.Dispose();
    }

    // Pads with keys that no sum counts.
    private void Resize(int count)
    {
        _count = count;
        int padded = (count + Stride - 1) / Stride * Stride;
        new Span<float>(Keys + count, padded - count).Fill(float.NaN);
    }

    private double MassFrom(float lowest)
    {
        float* keys = Keys, masses = Masses;
        var edge = Vector256.Create(lowest);
        double mass = 0;
        for (int start = 0; start < _count; start += BlockSize)
        {
            Vector256<float> m0 = default, m1 = default, m2 = default, m3 = default;
            int end = Math.Min(start + BlockSize, _count);
            for (int i = start; i < end; i += Stride)
            {
                m0 += Vector256.Load(masses + i) & Vector256.GreaterThanOrEqual(Vector256.Load(keys + i), edge);
                m1 += Vector256.Load(masses + i + Lanes) & Vector256.GreaterThanOrEqual(Vector256.Load(keys + i + Lanes), edge);
                m2 += Vector256.Load(masses + i + 2 * Lanes) & Vector256.GreaterThanOrEqual(Vector256.Load(keys + i + 2 * Lanes), edge);
                m3 += Vector256.Load(masses + i + 3 * Lanes) & Vector256.GreaterThanOrEqual(Vector256.Load(keys + i + 3 * Lanes), edge);
            }
            mass += Sum(m0, m1, m2, m3);
        }
        return mass;
    }

    // Keeps the keys in [low, high); what lies above it is counted for good.
    private void Drop(float low, float high, ref double above)
    {
        above += MassFrom(high);
        float* keys = Keys, masses = Masses;
        var lower = Vector256.Create(low);
        var upper = Vector256.Create(high);
        int kept = 0;
        for (int i = 0; i < _count; i += Lanes)
        {
            var key = Vector256.Load(keys + i);
            var mass = Vector256.Load(masses + i);
            uint keep = (Vector256.GreaterThanOrEqual(key, lower) & Vector256.LessThan(key, upper)).ExtractMostSignificantBits();
            PackLeft(key, keep, keys + kept);
            kept += PackLeft(mass, keep, masses + kept);
        }
        Resize(kept);
    }

    // Floats as unsigned integers of the same order, and back. Both zeros are equal as keys: the negative one is never asked for.
    private static uint Ordered(float value)
    {
        int bits = BitConverter.SingleToInt32Bits(value + 0f);
        return (uint)(bits ^ ((bits >> 31) | int.MinValue));
    }

    private static float Value(uint ordered)
    {
        int bits = (int)ordered;
        return BitConverter.Int32BitsToSingle(bits ^ ((~bits >> 31) | int.MinValue));
    }
}
