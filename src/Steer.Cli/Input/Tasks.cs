using Steer.Cli.Flags;
using Steer.Runtime;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Input;

/// <summary>Finds tasks by name or path.</summary>
internal static class Tasks
{
    /// <summary>Tasks that come with the program.</summary>
    public static IReadOnlyList<string> Names { get; } = List();

    /// <summary>A task.json by its path, its folder, or its name among those that come with the program.</summary>
    /// <exception cref="SteerException">There is none, and the message lists what there is; or a member of it is mistyped.</exception>
    public static GenerationTask Find(string nameOrPath)
    {
        if (EmbeddedWeights.Folder is { } weights && Names.Contains(nameOrPath))
            return GenerationTask.Load(Path.Combine(weights, "tasks", nameOrPath));
        if (File.Exists(nameOrPath) || Directory.Exists(nameOrPath))
            return WithoutTypos(GenerationTask.Load(nameOrPath), nameOrPath);
        string near = Spelling.Nearest(nameOrPath, Names) is { } name ? $" Did you mean {name}?" : "";
        string known = Names.Count > 0 ? $"one of {string.Join(", ", Names)}, or " : "(those that come with the program are missing) ";
        throw new SteerException($"{nameOrPath}: no such task.{near} Give {known}the path of a task.json.");
    }

    /// <summary>A task may have members of its own, but none that looks as if it counted: it would count for nothing.</summary>
    private static GenerationTask WithoutTypos(GenerationTask task, string file)
    {
        RefuseStrangers(file, "a task", task.Others.Keys, GenerationTask.Members);
        foreach (var label in task.Labels)
        {
            if (label.Others.Keys.FirstOrDefault(name => GenerationTask.Members.Contains(name)) is { } misplaced)
            {
                throw new SteerException(
                    $"{file}: \"{misplaced}\" of label {label.Name} is a member of the task, the same for all labels. Move it there.");
            }

            RefuseStrangers(file, "a label", label.Others.Keys, TaskLabel.Members);
        }

        return task;
    }

    private static void RefuseStrangers(string file, string owner, IEnumerable<string> strangers, IReadOnlyList<string> members)
    {
        foreach (string name in strangers)
        {
            string flag = $"--{name.Replace('_', '-')}";
            if (SamplingFlags.Names.Contains(flag))
                throw new SteerException($"{file}: \"{name}\" is no member of {owner}. Leave it out, and give {flag} to the command.");
            if (Spelling.Nearest(name, members) is { } near)
                throw new SteerException($"{file}: \"{name}\" is no member of {owner}. Did you mean \"{near}\"?");
        }
    }

    private static string[] List()
    {
        if (EmbeddedWeights.Folder is not { } weights || !Directory.Exists(Path.Combine(weights, "tasks")))
            return [];
        return [.. Directory.GetDirectories(Path.Combine(weights, "tasks")).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)];
    }
}
