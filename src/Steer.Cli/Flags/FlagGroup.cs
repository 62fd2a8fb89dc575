using System.CommandLine;

namespace Steer.Cli.Flags;

/// <summary>Flags that belong together.</summary>
internal abstract class FlagGroup(string title)
{
    private readonly List<Option> _options = [];

    /// <summary>Heading on the help page.</summary>
    public string Title { get; } = title;

    public IReadOnlyList<Option> Options => _options;

    protected T Add<T>(T option)
        where T : Option
    {
        _options.Add(option);
        return option;
    }
}
