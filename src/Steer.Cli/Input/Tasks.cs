using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Input;

/// <summary>Finds tasks by name or path.</summary>
internal static class Tasks
{
    /// <summary>Tasks that come with the program.</summary>
    public static IReadOnlyList<string> Names { get; } = List();

    /// <summary>A task.json by its path, its folder, or its name among those that come with the program.</summary>
    /// <exception cref="SteerException">There is none; the message lists what there is.</exception>
    public static GenerationTask Find(string nameOrPath)
    {
        if (EmbeddedWeights.Folder is { } weights && Names.Contains(nameOrPath))
            return GenerationTask.Load(Path.Combine(weights, "tasks", nameOrPath));
        if (File.Exists(nameOrPath) || Directory.Exists(nameOrPath))
            return GenerationTask.Load(nameOrPath);
        string near = Spelling.Nearest(nameOrPath, Names) is { } name ? $" Did you mean {name}?" : "";
        string known = Names.Count > 0 ? $"one of {string.Join(", ", Names)}, or " : "(those that come with the program are missing) ";
        throw new SteerException($"{nameOrPath}: no such task.{near} Give {known}the path of a task.json.");
    }

    private static string[] List()
    {
        if (EmbeddedWeights.Folder is not { } weights || !Directory.Exists(Path.Combine(weights, "tasks")))
            return [];
        return [.. Directory.GetDirectories(Path.Combine(weights, "tasks")).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];
    }
}
