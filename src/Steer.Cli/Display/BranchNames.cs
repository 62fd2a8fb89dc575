namespace Steer.Cli.Display;

/// <summary>Names of the branches that ran, in the order in which they first came.</summary>
internal sealed class BranchNames
{
    private readonly List<string> _names = [];

    public IReadOnlyList<string> Names => _names;

    public void Add(IEnumerable<string> names)
    {
        foreach (string name in names)
        {
            if (!_names.Contains(name))
                _names.Add(name);
        }
    }
}
