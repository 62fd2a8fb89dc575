using System.CommandLine;
using Steer.Cli.Display;
using Steer.Cli.Flags;
using Steer.Cli.Input;
using Steer.Cli.Output;
using Steer.Kernels;
using Steer.Runtime;
using Steer.Runtime.Checkpoints;

namespace Steer.Cli.Commands;

/// <summary>`steer inspect`: what models are made of, without loading them.</summary>
internal sealed class InspectCommand : SteerCommand
{
    private readonly Argument<string?> _folder = Flag.Path(new Argument<string?>("PATH")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "Base model, instead of --base.",
    });

    private readonly ModelFlags _models;
    private readonly ListingFlags _output;

    public InspectCommand(Terminal terminal)
        : base("inspect", "Shows what models are made of and how much memory each part takes.", terminal)
    {
        Arguments.Add(_folder);
        _models = Add(new ModelFlags());
        _output = Add(new ListingFlags("One object: a member for each model."));
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer inspect --task astronomy", "The small base and its astronomy expert."),
        ("steer inspect model.gguf --expert DIR", "Your own models: does the adapter fit the base?"),
    ];

    protected override Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        var models = _models.Resolve(parsed, parsed.GetValue(_folder));
        using var baseCheckpoint = Checkpoint.Open(models.Base);
        var reports = new List<ModelReport> { ModelReport.Of("base", baseCheckpoint) };
        (string Name, string? Path)[] others =
            [("expert", models.Expert), ("anti-expert", models.AntiExpert), ("amateur", models.Amateur), ("large", models.Large)];
        foreach (var (name, path) in others)
        {
            stop.ThrowIfCancellationRequested();
            if (path is not null)
                reports.Add(Report(name, path, baseCheckpoint));
        }

        if (_output.Json(parsed))
        {
            using var lines = new JsonLines(ResultStream.ToStandardOutput(Terminal));
            lines.Write(json => reports.ForEach(r => r.Write(json)));
        }
        else
        {
            Terminal.WriteOutput(console => reports.ForEach(r => r.Draw(console)));
        }

        return Task.FromResult(ExitCode.Ok);
    }

    private static ModelReport Report(string name, string path, Checkpoint baseCheckpoint)
    {
        if (Adapter.IsAdapter(path))
        {
            using var adapter = Adapter.Open(path, baseCheckpoint);
            return ModelReport.Of(name, adapter, baseCheckpoint);
        }

        using var checkpoint = Checkpoint.Open(path);
        return ModelReport.Of(name, checkpoint);
    }
}
