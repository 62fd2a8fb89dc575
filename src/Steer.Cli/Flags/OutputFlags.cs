using System.CommandLine;

namespace Steer.Cli.Flags;

/// <summary>What is written, and where.</summary>
internal sealed class OutputFlags : FlagGroup
{
    private readonly Option<bool> _json;
    private readonly Option<string?> _output;
    private readonly Option<bool> _unordered;
    private readonly Option<bool> _quiet;

    /// <param name="json">What --json writes.</param>
    /// <param name="order">There is --unordered.</param>
    /// <param name="quiet">There is --quiet.</param>
    public OutputFlags(string json, bool order = false, bool quiet = true)
        : base("Output")
    {
        _json = Add(Flag.Switch("--json", json));
        _output = Add(Flag.Path("--output", "FILE", "Writes results to a file instead of standard output."));
        _output.Aliases.Add("-o");
        _unordered = Flag.Switch("--unordered", "Results as they finish; else in the order of the input.");
        if (order)
            Add(_unordered);
        _quiet = Flag.Switch("--quiet", "No progress and no closing box.");
        _quiet.Aliases.Add("-q");
        if (quiet)
            Add(_quiet);
    }

    public bool Json(ParseResult parsed) => parsed.GetValue(_json);

    /// <summary>The file to write; null for standard output.</summary>
    public string? File(ParseResult parsed) => parsed.GetValue(_output);

    public bool Unordered(ParseResult parsed) => parsed.GetValue(_unordered);

    public bool Quiet(ParseResult parsed) => parsed.GetValue(_quiet);
}
