using System.Globalization;
using Steer.Runtime.Reports;

namespace Steer.Cli.Display;

/// <summary>Numbers as people read them.</summary>
internal static class Figures
{
    /// <summary>Thousands apart.</summary>
    public static string Count(long count) => count.ToString("n0", CultureInfo.InvariantCulture);

    /// <summary>"1 text", "2 texts".</summary>
    public static string Count(long count, string noun) => Numbers.Count(count, noun);

    /// <summary>Tokens per second; a dash where nothing was measured.</summary>
    public static string Rate(long tokens, double seconds) => seconds <= 0 || tokens == 0
        ? "-"
        : string.Create(CultureInfo.InvariantCulture, $"{tokens / seconds:n0} tokens/s");

    /// <summary>0.4 s, 12 s, 3:07, 1:02:03.</summary>
    public static string Duration(double seconds) => seconds switch
    {
        < 9.95 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s"),
        < 99.5 => string.Create(CultureInfo.InvariantCulture, $"{seconds:0} s"),
        < 3600 => TimeSpan.FromSeconds(seconds).ToString(@"m\:ss", CultureInfo.InvariantCulture),
        _ => string.Create(CultureInfo.InvariantCulture, $"{(long)seconds / 3600}:{(long)seconds / 60 % 60:00}:{(long)seconds % 60:00}"),
    };

    /// <summary>Log-probabilities and perplexities: two digits after the point, or a word.</summary>
    public static string Number(double value) => value switch
    {
        double.NegativeInfinity => "-inf",
        double.PositiveInfinity => "inf",
        double.NaN => "-",
        _ => value.ToString("n2", CultureInfo.InvariantCulture),
    };
}
