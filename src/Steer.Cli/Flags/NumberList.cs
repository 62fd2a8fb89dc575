namespace Steer.Cli.Flags;

/// <summary>Several numbers as they are written on a command line.</summary>
internal static class NumberList
{
    /// <summary>Most values of a range.</summary>
    public const int MaxValues = 1000;

    /// <summary>
    /// 0,0.3,0.6, or a range 0:0.6:0.2 (from, to, step) of at most <see cref="MaxValues"/> values, both ends included; null for anything else.
    /// </summary>
    public static float[]? Parse(string text)
    {
        string[] parts = text.Split(':');
        var values = new List<float>();
        foreach (string part in parts.Length == 3 ? parts : text.Split(','))
        {
            if (!Flag.TryFloat(part.Trim(), out float value) || !float.IsFinite(value))
                return null;
            values.Add(value);
        }

        if (parts.Length != 3)
            return [.. values];
        double from = values[0], to = values[1], step = values[2];
        double steps = Math.Floor(((to - from) / step) + 1e-4);
        return step > 0 && steps is >= 0 and < MaxValues
            ? [.. Enumerable.Range(0, (int)steps + 1).Select(i => (float)Math.Round(from + (i * step), 6))]
            : null;
    }
}
