using System.Globalization;

namespace Steer.Cli.Flags;

/// <summary>Token ids as they are written on a command line.</summary>
internal static class TokenIds
{
    private static readonly char[] Spaces = [' ', '\t', '\n', '\r'];

    /// <summary>1,2,3 or "1 2 3" or [1, 2, 3]; null for anything else.</summary>
    public static int[]? Parse(string text)
    {
        string list = text.Trim(Spaces);
        if (list is ['[', .., ']'])
            list = list[1..^1];
        var ids = new List<int>();

        // Nothing between two commas is a number that is missing, not one to pass over.
        foreach (string between in list.Split(','))
        {
            string[] parts = between.Split(Spaces, StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length == 0)
                return null;
            foreach (string part in parts)
            {
                if (!int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                    return null;
                ids.Add(id);
            }
        }

        return [.. ids];
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
