namespace Steer.Kernels.Host;

/// <summary>
/// Finds the value at which the largest keys together reach a mass, without sorting: a radix descent over the bits of the keys, with
/// a mass for each digit. Linear in the number of keys, whatever their order.
/// </summary>
internal sealed unsafe class GuideAndSampleSelect : IDisposable
{
    private const int DigitBits = 11;

    private readonly HostBuffer<float> _keys;
    private readonly HostBuffer<float> _masses;
    private readonly HostBuffer<double> _bins = new(1 << DigitBits);

    /// <summary>Takes memory for up to <paramref name="capacity"/> keys.</summary>
    public GuideAndSampleSelect(int capacity)
    {
        _keys = new HostBuffer<float>(capacity);
        _masses = new HostBuffer<float>(capacity);
    }

    /// <summary>The caller writes the keys here; <see cref="Threshold"/> overwrites them.</summary>
    public float* Keys => _keys.Data;

    /// <summary>The caller writes the mass of each key here, at least 0; <see cref="Threshold"/> overwrites them.</summary>
    public float* Masses => _masses.Data;

    /// <summary>
    /// The largest key v for which the keys of at least v have together <paramref name="target"/> or more; the smallest key that has mass where
    /// all together have less. At least one key must have mass.
    /// </summary>
    /// <param name="count">Keys.</param>
    /// <param name="target">Mass to reach.</param>
    /// <param name="above">Mass of the keys above v.</param>
    public float Threshold(int count, double target, out double above)
    {
        float* keys = Keys, masses = Masses;
        double* bins = _bins.Data;
        above = 0;
        for (int shift = 32 - DigitBits; ; shift = Math.Max(shift - DigitBits, 0))
        {
            new Span<double>(bins, 1 << DigitBits).Clear();
            for (int i = 0; i < count; i++)
                bins[Digit(keys[i], shift)] += masses[i];

            double reached = above;
            uint edge = 0;
            for (int bin = (1 << DigitBits) - 1; bin >= 0; bin--)
            {
                if (bins[bin] == 0)
                    continue;
                edge = (uint)bin;
                above = reached;
                reached += bins[bin];
                if (reached >= target)
                    break;
            }

            int left = 0;
            for (int i = 0; i < count; i++)
            {
                if (Digit(keys[i], shift) != edge)
                    continue;
                keys[left] = keys[i];
                masses[left++] = masses[i];
            }
            count = left;
            if (shift == 0)
                return keys[0];
        }
    }

    /// <summary>The k-th largest of the keys [count]; masses are not read.</summary>
    public float KthLargest(int count, int k)
    {
        new Span<float>(Masses, count).Fill(1);
        return Threshold(count, k, out _);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _keys.Dispose();
        _masses.Dispose();
        _bins.Dispose();
    }

    // Maps floats to unsigned integers of the same order, then takes a digit. The last digit overlaps the one before it, whose bits agree by then.
    private static uint Digit(float key, int shift)
    {
        int bits = BitConverter.SingleToInt32Bits(key);
        uint ordered = (uint)(bits ^ ((bits >> 31) | int.MinValue));
        return (ordered >> shift) & ((1 << DigitBits) - 1);
    }
}
