namespace Steer.Runtime.Sweeps;

/// <summary>
/// Bisects the temperature at which sampling has a given mean entropy. Every search begins at 1, doubles or halves its way to a bracket and goes on
/// with midpoints, so searches for near entropies try the same temperatures and share what was measured at them. Entropies are measured on texts, so
/// near the target they go up and down: where the bracket is spent, the temperatures beside it are tried.
/// </summary>
internal static class TemperatureSearch
{
    private const float Highest = 16;
    private const float Lowest = 1f / 1024;
    private const float NarrowestBracket = 1f / 256;
    private const int Neighbours = 16;

    /// <summary>The temperature to measure next; null where one of those measured is near enough, or where none will be.</summary>
    /// <param name="measured">Mean entropy at the temperatures tried, in nats.</param>
    /// <param name="target">The entropy wanted.</param>
    /// <param name="tolerance">How near it must be, as a share of the target.</param>
    public static float? Next(IReadOnlyDictionary<float, double> measured, double target, double tolerance)
    {
        if (IsMatched(measured, target, tolerance))
            return null;
        if (target <= 0)
            return measured.ContainsKey(0) ? null : 0;
        var (_, _, next) = Bisect(measured, target);
        return next;
    }

    /// <summary>
    /// The temperature to measure next beside a bracket that is spent; null where one of those measured is near enough, or where none will be.
    /// </summary>
    /// <inheritdoc cref="Next"/>
    public static float? NextBeside(IReadOnlyDictionary<float, double> measured, double target, double tolerance)
    {
        if (target <= 0 || IsMatched(measured, target, tolerance) || Bisect(measured, target) is not (var low, { } high, null))
            return null;
        float width = (high - low) / 2;
        for (int i = 0; i < Neighbours; i++)
        {
            float temperature = (i & 1) == 0 ? low - ((1 + (i / 2)) * width) : high + ((1 + (i / 2)) * width);
            if (temperature > 0 && !measured.ContainsKey(temperature))
                return temperature;
        }

        return null;
    }

    /// <summary>The temperature measured whose entropy is nearest, the lower one of two; null where none was measured.</summary>
    public static float? Nearest(IReadOnlyDictionary<float, double> measured, double target) =>
        measured.Count == 0 ? null : measured.MinBy(m => (Math.Abs(m.Value - target), m.Key)).Key;

    private static bool IsMatched(IReadOnlyDictionary<float, double> measured, double target, double tolerance) =>
        Nearest(measured, target) is { } nearest && Math.Abs(measured[nearest] - target) <= tolerance * target;

    /// <summary>
    /// Follows what was measured to the bracket it gives, and to the temperature that would halve it; null where it is narrow enough.
    /// </summary>
    private static (float Low, float? High, float? Next) Bisect(IReadOnlyDictionary<float, double> measured, double target)
    {
        float low = 0, temperature = 1;
        float? high = null;
        while (measured.TryGetValue(temperature, out double entropy))
        {
            if (entropy < target)
                low = temperature;
            else
                high = temperature;
            if (high is { } top ? top <= Lowest || top - low <= NarrowestBracket * top : low >= Highest)
                return (low, high, null);
            temperature = high is { } bound ? (low + bound) / 2 : 2 * low;
        }

        return (low, high, temperature);
    }
}
