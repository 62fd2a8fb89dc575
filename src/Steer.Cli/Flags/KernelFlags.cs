using System.CommandLine;

namespace Steer.Cli.Flags;

/// <summary>Which kernels, and in which language.</summary>
internal sealed class KernelFlags : FlagGroup
{
    private readonly Option<bool?> _openCl;
    private readonly Option<int?> _architecture;

    public KernelFlags()
        : base("Kernels")
    {
        _openCl = Add(Flag.Choice("--emit", "Language (default ptx).", ("ptx", false), ("opencl", true)));
        _architecture = Add(Flag.Choice(
            "--arch", "Architecture of PTX: sm_80 is an A100, sm_90 an H100 or H200 (default).",
            ("sm_80", 80), ("sm_86", 86), ("sm_87", 87), ("sm_89", 89), ("sm_90", 90)));
    }

    /// <summary>OpenCL C instead of PTX.</summary>
    public bool OpenCl(ParseResult parsed) => parsed.GetValue(_openCl) ?? false;

    /// <summary>The two numbers of the architecture.</summary>
    public (int Major, int Minor) Architecture(ParseResult parsed) => Math.DivRem(parsed.GetValue(_architecture) ?? 90, 10);
}
