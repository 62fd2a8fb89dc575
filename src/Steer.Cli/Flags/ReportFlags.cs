using System.CommandLine;
using Steer.Cli.Output;
using Steer.Runtime;

namespace Steer.Cli.Flags;

/// <summary>In which layout a report is written, and where.</summary>
internal sealed class ReportFlags : FlagGroup
{
    private readonly Option<ReportFormat?> _format;
    private readonly Option<string?> _out;
    private readonly Option<bool> _quiet;

    public ReportFlags()
        : base("Output")
    {
        _format = Add(FormatFlag("Layout. Default: by the name of --out, or else a table."));
        _out = Add(Flag.Path("--out", "FILE", "Writes the report to a file instead of standard output."));
        _out.Aliases.Add("-o");
        _quiet = Add(Flag.Switch("--quiet", "No progress."));
        _quiet.Aliases.Add("-q");
    }

    /// <summary>The flag that names the layout of a report.</summary>
    public static Option<ReportFormat?> FormatFlag(string description) => Flag.Choice(
        "--format", description,
        ("table", ReportFormat.Table), ("json", ReportFormat.Json), ("csv", ReportFormat.Csv), ("markdown", ReportFormat.Markdown),
        ("html", ReportFormat.Html));

    /// <summary>The file to write; null for standard output.</summary>
    public string? File(ParseResult parsed) => parsed.GetValue(_out);

    public bool Quiet(ParseResult parsed) => parsed.GetValue(_quiet);

    /// <summary>The layout that was given, or that the file's name tells.</summary>
    /// <exception cref="SteerException">The name tells of a layout that there is not.</exception>
    public ReportFormat Format(ParseResult parsed) => parsed.GetValue(_format) ?? Path.GetExtension(parsed.GetValue(_out))?.ToLowerInvariant() switch
    {
        ".json" => ReportFormat.Json,
        ".csv" => ReportFormat.Csv,
        ".md" => ReportFormat.Markdown,
        ".html" or ".htm" => ReportFormat.Html,
        null or "" or ".txt" => ReportFormat.Table,
        var other => throw new SteerException(
            $"{parsed.GetValue(_out)}: no report is written as {other}. Give a name that ends in .html, .md, .csv, .json or .txt, or --format."),
    };
}
