using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Commands;

/// <summary>`steer dataset merge`: the shards of a job become one data set.</summary>
internal sealed class DatasetMergeCommand : SteerCommand
{
    private readonly Argument<string[]> _folders = Flag.Path(new Argument<string[]>("DIR")
    {
        HelpName = "DIR",
        Description = "Folders of all shards.",
        Arity = ArgumentArity.OneOrMore,
    });

    private readonly MergeFlags _flags;

    public DatasetMergeCommand(Terminal terminal)
        : base("merge", "Joins the shards of a job, and refuses what repeats across them.", terminal)
    {
        Arguments.Add(_folders);
        _flags = Add(new MergeFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
        [("steer dataset merge runs/part0 runs/part1 --out runs/all", "Two parts that were made with --shard 0/2 and --shard 1/2.")];

    protected override Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        string folder = _flags.Folder(parsed);
        var progress = DatasetMerge.Run(parsed.GetRequiredValue(_folders), folder);
        Terminal.WriteOutput($"{folder}: {DatasetDisplay.Totals(progress)}\n");
        return Task.FromResult(ExitCode.Ok);
    }

    private sealed class MergeFlags : FlagGroup
    {
        private readonly Option<string?> _out;

        public MergeFlags()
            : base("Output") => _out = Add(Flag.Path("--out", "DIR", "Folder of the whole; missing or empty."));

        public string Folder(ParseResult parsed) => parsed.RequiredFolder(_out);
    }
}
