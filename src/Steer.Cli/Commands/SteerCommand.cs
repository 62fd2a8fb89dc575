using System.CommandLine;
using Steer.Cli.Flags;

namespace Steer.Cli.Commands;

/// <summary>A command with its flags in groups and an example, as the help page shows them.</summary>
internal abstract class SteerCommand : Command
{
    private readonly List<FlagGroup> _groups = [];

    protected SteerCommand(string name, string description, Terminal terminal)
        : base(name, description)
    {
        Terminal = terminal;
        SetAction(RunAsync);
    }

    /// <summary>Command lines that work as they stand, with a word on what they do.</summary>
    public abstract IReadOnlyList<(string CommandLine, string Comment)> Examples { get; }

    /// <summary>Groups of flags, in the order of the help page.</summary>
    public IReadOnlyList<FlagGroup> Groups => _groups;

    protected Terminal Terminal { get; }

    /// <summary>Does the work.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    protected abstract Task<int> RunAsync(ParseResult parsed, CancellationToken stop);

    protected T Add<T>(T group)
        where T : FlagGroup
    {
        _groups.Add(group);
        foreach (var option in group.Options)
            Options.Add(option);
        return group;
    }
}
