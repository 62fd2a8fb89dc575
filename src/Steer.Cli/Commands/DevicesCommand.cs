using System.CommandLine;
using Spectre.Console;
using Steer.Cli.Flags;
using Steer.Cli.Output;
using Steer.Kernels;
using Steer.Kernels.Gpu;

namespace Steer.Cli.Commands;

/// <summary>`steer devices`: what --device can name on this machine.</summary>
internal sealed class DevicesCommand : SteerCommand
{
    private readonly ListingFlags _output;

    public DevicesCommand(Terminal terminal)
        : base("devices", "Lists the devices of this machine.", terminal) =>
        _output = Add(new ListingFlags("One object per line: name, description."));

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
        [("steer devices", "Names that --device takes.")];

    protected override Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        using var processor = Devices.Open("cpu");
        List<(string Name, string Description)> devices =
            [("cpu", processor.Description), .. IlgpuDevice.List().Select(d => (d.Name, d.Description))];
        if (_output.Json(parsed))
        {
            using var lines = new JsonLines(ResultStream.ToStandardOutput(Terminal));
            foreach (var (name, description) in devices)
            {
                lines.Write(json =>
                {
                    json.WriteString("name", name);
                    json.WriteString("description", description);
                });
            }
        }
        else
        {
            var table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn("Device").NoWrap()).AddColumn("Description");
            foreach (var (name, description) in devices)
                table.AddRow(new Text(name), new Text(description));
            Terminal.WriteOutput(console => console.Write(table));
        }

        return Task.FromResult(ExitCode.Ok);
    }
}
