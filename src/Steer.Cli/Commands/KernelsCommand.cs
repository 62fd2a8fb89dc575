using System.CommandLine;
using System.Globalization;
using System.Text;
using Steer.Cli.Flags;
using Steer.Kernels.Gpu;
using Steer.Runtime;

namespace Steer.Cli.Commands;

/// <summary>`steer kernels`: the kernels of GPU devices as text, made on any machine.</summary>
internal sealed class KernelsCommand : SteerCommand
{
    private readonly Argument<string> _folder = Flag.Path(new Argument<string>("DIR")
    {
        Arity = ArgumentArity.ExactlyOne,
        Description = "Where the files go, one for each kernel; made if need be.",
    });

    private readonly KernelFlags _flags;

    public KernelsCommand(Terminal terminal)
        : base("kernels", "Writes the kernels of GPU devices as text; needs no GPU.", terminal)
    {
        Arguments.Add(_folder);
        _flags = Add(new KernelFlags());
    }

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer kernels --emit ptx --arch sm_80 out/", "PTX for an A100, by the names that a profiler shows."),
        ("steer kernels --emit opencl out/", "OpenCL C."),
    ];

    protected override Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        string folder = parsed.GetValue(_folder)!;
        SteerException.ThrowIfFile(folder);
        (IReadOnlyDictionary<string, string> texts, string extension) = _flags.Language(parsed) == KernelLanguage.OpenCl
            ? (KernelCompiler.OpenCl(), "cl")
            : (KernelCompiler.Ptx(_flags.Architecture(parsed).Major, _flags.Architecture(parsed).Minor), "ptx");
        try
        {
            Directory.CreateDirectory(folder);
            foreach ((string name, string text) in texts)
            {
                stop.ThrowIfCancellationRequested();
                File.WriteAllText(Path.Combine(folder, $"{name}.{extension}"), text, new UTF8Encoding(false));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SteerException.Unwritable(folder, e, "Give another folder, or make room.");
        }

        Terminal.WriteOutput(string.Create(CultureInfo.InvariantCulture, $"{texts.Count} kernels in {folder}") + Environment.NewLine);
        return Task.FromResult(ExitCode.Ok);
    }
}
