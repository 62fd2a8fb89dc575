using System.Globalization;

namespace Steer.Cli.Flags;

/// <summary>Sizes as people write them: 512MB (10^6), 4GB, 1GiB (2^30), or bytes alone.</summary>
internal static class ByteSize
{
    private static readonly (string Suffix, double Factor)[] Units =
    [
        ("kib", 1L << 10), ("mib", 1L << 20), ("gib", 1L << 30), ("tib", 1L << 40),
        ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12),
        ("k", 1e3), ("m", 1e6), ("g", 1e9), ("t", 1e12), ("b", 1),
    ];

    /// <summary>Bytes, or null for what is no size.</summary>
    public static long? Parse(string text)
    {
        string number = text.Trim().ToLowerInvariant();
        double factor = 1;
        foreach (var (suffix, unit) in Units)
        {
            if (!number.EndsWith(suffix, StringComparison.Ordinal))
                continue;
            number = number[..^suffix.Length].TrimEnd();
            factor = unit;
            break;
        }

        const NumberStyles style = NumberStyles.AllowDecimalPoint;
        return double.TryParse(number, style, CultureInfo.InvariantCulture, out double value) && value * factor is var bytes and < long.MaxValue
            ? (long)bytes
            : null;
    }

    /// <summary>A size with three digits or so.</summary>
    public static string Format(long bytes) => bytes switch
    {
        < 1_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes"),
        < 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB"),
        < 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.00} GB"),
    };
}
