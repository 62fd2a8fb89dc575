using System.CommandLine;
using Steer.Cli.Flags;
using Steer.Kernels;
using Steer.Runtime;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Checkpoints.Gguf;

namespace Steer.Cli.Commands;

/// <summary>`steer bench synth`: a random model in the formats that this engine and others read, to measure them side by side.</summary>
internal sealed class BenchSynthCommand : SteerCommand
{
    private const int Rank = 16;

    private readonly SynthFlags _flags;

    public BenchSynthCommand(Terminal terminal)
        : base("synth", "Writes one random Llama-shaped model as safetensors and as GGUF (f32, bf16, q8_0), with a random adapter.", terminal) =>
        _flags = Add(new SynthFlags());

    public override IReadOnlyList<(string CommandLine, string Comment)> Examples =>
    [
        ("steer bench synth --params 134M --out models/134M", "0.3 GB of safetensors and 0.9 GB of GGUF files."),
        ("steer bench --base models/134M --weights bf16 --batch 1,8", "What is then measured with it."),
    ];

    protected override Task<int> RunAsync(ParseResult parsed, CancellationToken stop)
    {
        var shape = _flags.Shape(parsed);
        string folder = _flags.Folder(parsed);
        SyntheticModel.Write(folder, shape, DType.BF16);
        Wrote(folder, "model.safetensors");
        SyntheticModel.WriteAdapter(Path.Combine(folder, "adapter"), shape, Rank);
        Wrote(folder, Path.Combine("adapter", "adapter_model.safetensors"));
        foreach (var type in new[] { GgufType.F32, GgufType.BF16, GgufType.Q8_0 })
        {
            stop.ThrowIfCancellationRequested();
            string name = $"model-{type.ToString().ToLowerInvariant()}.gguf";
            SyntheticModel.WriteGguf(Path.Combine(folder, name), shape, type);
            Wrote(folder, name);
        }

        return Task.FromResult(ExitCode.Ok);
    }

    private void Wrote(string folder, string name)
    {
        string path = Path.Combine(folder, name);
        Terminal.WriteOutput($"{path} {ByteSize.Format(new FileInfo(path).Length)}\n");
    }

    private sealed class SynthFlags : FlagGroup
    {
        private readonly Option<string?> _params;
        private readonly Option<string?> _out;

        public SynthFlags()
            : base("Model")
        {
            string shapes = string.Join(", ", SyntheticShape.Known.Select(s => s.Name));
            _params = Add(Flag.Text("--params", "NAME", $"How large. One of {shapes}."));
            _out = Add(Flag.Path("--out", "DIR", "Folder to write; made where it is missing."));
        }

        public SyntheticShape Shape(ParseResult parsed) => SyntheticShape.Find(
            parsed.GetValue(_params) ?? throw new SteerException("There is no size: give --params, such as --params 134M."));

        public string Folder(ParseResult parsed) => parsed.RequiredFolder(_out);
    }
}
