using Steer.Runtime;

namespace Steer.Cli.Input;

/// <summary>The folder `weights` that comes with the program: beside it, or above it in a checkout.</summary>
internal static class EmbeddedWeights
{
    private const string FolderName = "weights";

    /// <summary>The folder, or null.</summary>
    public static string? Folder { get; } = Find(AppContext.BaseDirectory);

    /// <summary>The small base model.</summary>
    /// <param name="flag">What to give where there is none.</param>
    /// <exception cref="SteerException">The folder is not there.</exception>
    public static string BaseOr(string flag) => Folder is null
        ? throw new SteerException($"There is no folder '{FolderName}' beside the program or above it: give {flag}.")
        : Path.Combine(Folder, "base");

    /// <summary>The nearest folder with a base model in it, from <paramref name="start"/> upwards.</summary>
    public static string? Find(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            string weights = Path.Combine(folder.FullName, FolderName);
            if (File.Exists(Path.Combine(weights, "base", "config.json")))
                return weights;
        }

        return null;
    }
}
