using System.CommandLine;
using Steer.Kernels;
using Steer.Runtime.Engine;

namespace Steer.Cli.Flags;

/// <summary>Where and how the engine runs.</summary>
internal sealed class EngineFlags : FlagGroup
{
    private readonly Option<string?> _device;
    private readonly Option<int?> _threads;
    private readonly Option<int?> _maxBatch;
    private readonly Option<long?> _memory;
    private readonly Option<DType?> _weights;

    public EngineFlags()
        : base("Engine")
    {
        _device = Add(Flag.Text("--device", "NAME", "cpu (default), cuda, cuda:N, opencl, opencl:N or ilgpu-cpu; see steer devices."));
        _threads = Add(Flag.Integer("--threads", "N", "Threads of the CPU device. Default: one for each processor."));
        _maxBatch = Add(Flag.Integer("--max-batch", "N", "Sequences that run at once; more wait. Default: 32."));
        _memory = Add(Flag.Bytes(
            "--memory", "SIZE",
            "Memory for keys and values, such as 512MB or 4GB. Default: what the sequences need, at most a quarter of the "
            + "machine's."));
        _weights = Add(Flag.Choice("--weights", "How weights are held. Default: as they are stored.", ("f32", DType.F32), ("bf16", DType.BF16)));
    }

    /// <summary>Puts what was given into the options.</summary>
    public EngineOptions Apply(ParseResult parsed, EngineOptions options) => options with
    {
        Device = parsed.GetValue(_device) ?? options.Device,
        Threads = parsed.GetValue(_threads) ?? options.Threads,
        MaxBatch = parsed.GetValue(_maxBatch) ?? options.MaxBatch,
        Memory = parsed.GetValue(_memory) ?? options.Memory,
        Weights = parsed.GetValue(_weights) ?? options.Weights,
    };
}
