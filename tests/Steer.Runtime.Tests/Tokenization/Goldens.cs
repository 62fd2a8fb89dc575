namespace Steer.Runtime.Tests.Tokenization;

/// <summary>Where stored outputs are: small ones beside the tests, large ones in a folder `shared` above, on machines that have it.</summary>
internal static class Goldens
{
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "goldens");

    /// <summary>A path under `shared`, or null where there is none.</summary>
    public static string? Shared(string path)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.Combine(folder.FullName, "shared", path);
            if (Path.Exists(candidate))
                return candidate;
        }

        return null;
    }
}
