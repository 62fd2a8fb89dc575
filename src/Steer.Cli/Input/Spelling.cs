namespace Steer.Cli.Input;

/// <summary>What a mistyped name was meant to be.</summary>
internal static class Spelling
{
    /// <summary>The known name that is fewest edits away, or that the typed one begins; null where none is near.</summary>
    public static string? Nearest(string typed, IEnumerable<string> known)
    {
        string[] names = [.. known];
        if (typed.Length >= 3 && Array.FindAll(names, k => k.StartsWith(typed, StringComparison.Ordinal)) is [var only])
            return only;
        var (name, distance) = names
            .Select(k => (Name: k, Distance: Distance(typed, k)))
            .OrderBy(k => k.Distance).ThenBy(k => k.Name, StringComparer.Ordinal)
            .FirstOrDefault();
        return name is not null && distance <= Math.Max(1, name.Trim('-').Length / 3) ? name : null;
    }

    /// <summary>Levenshtein distance.</summary>
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int above = row[j];
                row[j] = Math.Min(Math.Min(above, row[j - 1]) + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[b.Length];
    }
}
