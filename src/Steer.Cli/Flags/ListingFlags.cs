using System.CommandLine;

namespace Steer.Cli.Flags;

/// <summary>Output of commands that list or measure.</summary>
internal sealed class ListingFlags : FlagGroup
{
    private readonly Option<bool> _json;

    /// <param name="json">What --json writes.</param>
    public ListingFlags(string json)
        : base("Output") => _json = Add(Flag.Switch("--json", json));

    public bool Json(ParseResult parsed) => parsed.GetValue(_json);
}
