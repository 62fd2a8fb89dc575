using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Commands;

/// <summary>`steer dataset export`: the examples of a job in the layouts that others read.</summary>
internal sealed class DatasetExportCommand : SteerCommand
{
    private readonly Argument<string> _folder =
        Flag.Path(new Argument<string>("DIR") { HelpName = "DIR", Description = "Folder of the job." });
    private readonly ExportFlags _flags;

    public DatasetExportCommand(Terminal terminal)
        : base("export", "Writes the examples as JSONL, CSV, Parquet, chats or instructions, with a dataset card.", terminal)
    {
        Arguments.Add(_folder);
        _flags = Add(new ExportFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer dataset export runs/csqa --format parquet --test-share 0.1 --out hub/csqa", "train.parquet, test.parquet and README.md."),
        ("steer dataset export runs/csqa --format chat --out chats", "Prompt and text as messages of a user and an assistant."),
    ];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        var options = _flags.Read(parsed);
        var (train, test, others) = await DatasetExport.RunAsync(parsed.GetRequiredValue(_folder), options, stop).ConfigureAwait(false);
        Terminal.WriteOutput(
            $"{options.Folder}: {Figures.Count(train, "example")} to train{(options.TestShare > 0 ? $", {Figures.Count(test)} to test" : "")}\n");
        if (others.Count > 0)
        {
            Terminal.Error.WriteLine(
                $"steer: note: of an earlier export, and not named in README.md: {string.Join(", ", others.Select(Path.GetFileName))}.");
        }

        return ExitCode.Ok;
    }

    private sealed class ExportFlags : FlagGroup
    {
        private readonly Option<string?> _out;
        private readonly Option<ExportFormat?> _format;
        private readonly Option<float?> _testShare;
        private readonly Option<string?> _license;

        public ExportFlags()
            : base("Output")
        {
            _out = Add(Flag.Path("--out", "DIR", "Folder to write; made where it is missing."));
            _format = Add(Flag.Choice(
                "--format", "Layout. Default: jsonl.",
                ("jsonl", ExportFormat.Jsonl), ("csv", ExportFormat.Csv), ("parquet", ExportFormat.Parquet), ("chat", ExportFormat.Chat),
                ("alpaca", ExportFormat.Alpaca)));
            _testShare = Add(Flag.Number("--test-share", "X", "Share of the examples that go to a test file, by a hash of their words. Default: 0."));
            _license = Add(Flag.Text("--license", "NAME", "Licence that the card states, such as cc-by-4.0. Default: unknown."));
        }

        public ExportOptions Read(ParseResult parsed) => new()
        {
            Folder = parsed.RequiredFolder(_out),
            Format = parsed.GetValue(_format) ?? ExportFormat.Jsonl,
            TestShare = Math.Round(parsed.GetValue(_testShare) ?? 0, 6),
            License = parsed.GetValue(_license) ?? ExportOptions.UnknownLicense,
        };
    }
}
