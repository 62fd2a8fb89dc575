namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>Finds stored models: a few lie beside the tests, all of them in a folder beside the repository where it is present.</summary>
internal static class Goldens
{
    /// <summary>goldens of this project.</summary>
    public static string Committed(params ReadOnlySpan<string> parts) => Path.Combine([AppContext.BaseDirectory, "goldens", .. parts]);

    /// <summary>shared/goldens/..., or null where it is not there.</summary>
    public static string? Shared(params ReadOnlySpan<string> parts)
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string candidate = Path.Combine([folder.FullName, "shared", "goldens", .. parts]);
            if (Path.Exists(candidate))
                return candidate;
        }

        return null;
    }
}
