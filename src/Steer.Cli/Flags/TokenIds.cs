using System.Globalization;

namespace Steer.Cli.Flags;

/// <summary>Token ids as they are written on a command line.</summary>
internal static class TokenIds
{
    private static readonly char[] Separators = [',', ' ', '\t', '\n', '\r', '[', ']'];

    /// <summary>1,2,3 or "1 2 3" or [1, 2, 3]; null for anything else.</summary>
    public static int[]? Parse(string text)
    {
        string[] parts = text.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
        var ids = new int[parts.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out ids[i]))
                return null;
        }

        return ids.Length > 0 ? ids : null;
    }

    /// <summary>1=-5,2=2.5: a bias for each token; -inf bans one. Null for anything else.</summary>
    public static IReadOnlyDictionary<int, float>? ParseBiases(string text)
    {
        var biases = new Dictionary<int, float>();
        foreach (string part in text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            int at = Math.Max(0, part.IndexOfAny(['=', ':']));
            bool read = int.TryParse(part.AsSpan(0, at), NumberStyles.None, CultureInfo.InvariantCulture, out int id);
            if (!TryBias(part[(at + 1)..], out float bias) || !read)
                return null;
            biases[id] = bias;
        }

        return biases.Count > 0 ? biases : null;
    }

    private static bool TryBias(string text, out float bias)
    {
        bias = float.NegativeInfinity;
        return text.Trim().ToLowerInvariant() is "-inf" or "-infinity" || Flag.TryFloat(text, out bias);
    }
}
