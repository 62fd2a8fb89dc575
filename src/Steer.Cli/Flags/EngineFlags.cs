using System.CommandLine;
using Steer.Kernels;
using Steer.Kernels.Host;
using Steer.Runtime;
using Steer.Runtime.Engine;

namespace Steer.Cli.Flags;

/// <summary>Where and how the engine runs.</summary>
internal sealed class EngineFlags : FlagGroup
{
    private static readonly (string Name, InstructionSet Set)[] InstructionSetNames =
    [
        ("auto", InstructionSet.Auto), ("avx512-vnni-bf16", InstructionSet.Avx512Bf16Vnni), ("avx512", InstructionSet.Avx512),
        ("avx2", InstructionSet.Avx2), ("128", InstructionSet.Vector128),
    ];

    private readonly Option<string?> _device;
    private readonly Option<int?> _threads;
    private readonly Option<int?> _maxBatch;
    private readonly Option<int?> _maxLength;
    private readonly Option<long?> _memory;
    private readonly Option<InstructionSet?> _isa;
    private readonly Option<DType?> _weights;
    private readonly Option<Activations?> _compute;
    private readonly Option<DType?> _kvCache;

    public EngineFlags()
        : base("Engine")
    {
        _device = Add(Flag.Text("--device", "NAME", "cpu (default), cuda, cuda:N, opencl, opencl:N or ilgpu-cpu; see steer devices."));
        _threads = Add(Flag.Integer("--threads", "N", "Threads of the CPU device. Default: one for each processor that this process may use."));
        _maxBatch = Add(Flag.Integer("--max-batch", "N", "Sequences that run at once; more wait. Default: 32."));
        _maxLength = Add(Flag.Integer(
            "--max-length", "TOKENS",
            "Longest context. Default: the model's window; with rotary scaling longrope the length that it was trained at first, because a longer "
            + "one gives all texts the factors of long ones."));
        _memory = Add(Flag.Bytes(
            "--memory", "SIZE",
            "Memory for keys and values, such as 512MB or 4GB. Default: what the sequences need, at most a quarter of the "
            + "device's. A device with less room gives what it has."));
        _weights = Add(Flag.Choice(
            "--weights",
            "How weights are held. Default: as they are stored, with exact activations; what a .gguf file holds in blocks as bf16.",
            WeightTypes));
        _compute = Add(Flag.Choice(
            "--compute",
            "What products do to activations. auto (default): round them to bf16 for --weights bf16, and to 8 bits for int8 and int4; f32: " +
            "keep them.",
            ("auto", Activations.Auto), ("f32", Activations.F32)));
        _kvCache = Add(Flag.Choice(
            "--kv-cache", "How keys and values are held. Default: bf16 where --weights bf16, int8 or int4 rounds activations, else f32.",
            KvCacheTypes));
        _isa = Add(Flag.Choice(
            "--isa", "Instructions of the CPU device; the results are the same. Default: the best of this processor.",
            InstructionSetNames));
    }

    /// <summary>Names of the types that weights can be held in.</summary>
    public static (string Name, DType Type)[] WeightTypes { get; } =
        Named(DType.F32, DType.F16, DType.BF16, DType.Int8, DType.Int4);

    /// <summary>Flags that do not decide which texts are made.</summary>
    public IReadOnlyList<Option> Operational => [_threads, _maxBatch, _memory, _isa];

    /// <summary>Names of the types that keys and values can be held in.</summary>
    public static (string Name, DType Type)[] KvCacheTypes { get; } = Named(DType.F32, DType.BF16, DType.Int8);

    /// <summary>Puts what was given into the options.</summary>
    /// <exception cref="SteerException">The processor lacks the instructions asked for.</exception>
    public EngineOptions Apply(ParseResult parsed, EngineOptions options) => options with
    {
        Device = parsed.GetValue(_device) ?? options.Device,
        Threads = parsed.GetValue(_threads) ?? options.Threads,
        MaxBatch = parsed.GetValue(_maxBatch) ?? options.MaxBatch,
        MaxLength = parsed.GetValue(_maxLength) ?? options.MaxLength,
        Memory = parsed.GetValue(_memory) ?? options.Memory,
        InstructionSet = Available(parsed.GetValue(_isa)) ?? options.InstructionSet,
        Weights = parsed.GetValue(_weights) ?? options.Weights,
        ExactActivations = parsed.GetValue(_compute) is { } compute ? compute == Activations.F32 : options.ExactActivations,
        KvCacheType = parsed.GetValue(_kvCache) ?? options.KvCacheType,
    };

    private static InstructionSet? Available(InstructionSet? set)
    {
        if (set is null or InstructionSet.Auto || InstructionSets.Supported.Contains(set.Value))
            return set;
        string name = InstructionSetNames.First(n => n.Set == set).Name;
        string[] here = [.. InstructionSetNames.Where(n => InstructionSets.Supported.Contains(n.Set)).Select(n => n.Name)];
        throw new SteerException($"--isa is '{name}', which this machine does not have: give one of auto, {string.Join(", ", here)}.");
    }

    private static (string Name, DType Type)[] Named(params DType[] types) => [.. types.Select(t => (t.Name(), t))];

    private enum Activations
    {
        Auto,
        F32,
    }
}
