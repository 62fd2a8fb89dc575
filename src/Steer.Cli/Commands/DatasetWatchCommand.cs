using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Runtime.Datasets;

namespace Steer.Cli.Commands;

/// <summary>`steer dataset watch`: the table of a job that another process runs.</summary>
internal sealed class DatasetWatchCommand : SteerCommand
{
    private static readonly TimeSpan ReadEvery = TimeSpan.FromMilliseconds(500);

    private readonly Argument<string> _folder =
        Flag.Path(new Argument<string>("DIR") { HelpName = "DIR", Description = "Folder of the job." });

    public DatasetWatchCommand(Terminal terminal)
        : base("watch", "Shows how far a job is, until it is done.", terminal) => Arguments.Add(_folder);

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
        [("steer dataset watch runs/csqa", "From another terminal; Ctrl+C ends the watching, not the job.")];

    protected override async Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        string folder = parsed.GetRequiredValue(_folder);
        var progress = DatasetProgress.Read(folder);
        TimeSpan Silence() => DateTime.UtcNow - DatasetProgress.WrittenAt(folder);
        async Task ReadAsync()
        {
            while (!progress.Done)
            {
                await Task.Delay(ReadEvery, stop).ConfigureAwait(false);
                progress = DatasetProgress.Read(folder);
            }
        }

        await DatasetDisplay.WatchAsync(Terminal, quiet: false, () => progress, ReadAsync(), Silence).ConfigureAwait(false);
        Terminal.WriteOutput($"{folder}: done, {DatasetDisplay.Totals(progress)}\n");
        return ExitCode.Ok;
    }
}
