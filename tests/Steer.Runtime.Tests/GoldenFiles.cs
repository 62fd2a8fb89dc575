namespace Steer.Runtime.Tests;

/// <summary>
/// Stored outputs of public implementations. Some are committed beside the tests; the whole set lies in a folder `shared` beside the
/// checkout on machines that have it, and tests run over all that they find.
/// </summary>
internal static class GoldenFiles
{
    /// <summary>The embedded pair of the checkout.</summary>
    public static string Weights { get; } = Path.Combine(Above("Steer.sln"), "weights");

    /// <summary>Folders of goldens/<paramref name="kind"/>, each once.</summary>
    public static IEnumerable<string> Folders(string kind)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        foreach (string root in Roots)
        {
            string folder = Path.Combine(root, kind);
            if (Directory.Exists(folder))
                names.UnionWith(Directory.GetDirectories(folder).Select(d => Path.GetFileName(d)!));
        }

        return names;
    }

    /// <summary>The path of goldens/<paramref name="name"/>.</summary>
    public static string Find(string name) => Roots.Select(r => Path.Combine(r, name)).First(Path.Exists);

    /// <summary>Whether goldens/<paramref name="name"/> is here.</summary>
    public static bool Exists(string name) => Roots.Any(r => Path.Exists(Path.Combine(r, name)));

    private static IReadOnlyList<string> Roots { get; } =
    [
        Path.Combine(Above("Steer.sln"), "tests", "Steer.Runtime.Tests", "goldens"),
        Path.Combine(Above("Steer.sln"), "..", "shared", "goldens"),
    ];

    private static string Above(string file)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, file)))
                return folder.FullName;
        }

        throw new DirectoryNotFoundException($"No {file} above {AppContext.BaseDirectory}.");
    }
}
