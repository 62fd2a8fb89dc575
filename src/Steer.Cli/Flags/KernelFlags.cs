using System.CommandLine;
using Steer.Runtime;

namespace Steer.Cli.Flags;

/// <summary>Which kernels, and in which language.</summary>
internal sealed class KernelFlags : FlagGroup
{
    private readonly Option<KernelLanguage?> _language;
    private readonly Option<int?> _architecture;

    public KernelFlags()
        : base("Kernels")
    {
        _language = Add(Flag.Choice("--emit", "Language (default ptx).", ("ptx", KernelLanguage.Ptx), ("opencl", KernelLanguage.OpenCl)));
        _architecture = Add(Flag.Choice(
            "--arch", "Architecture of PTX: sm_80 is an A100, sm_90 an H100 or H200 (default).",
            ("sm_80", 80), ("sm_86", 86), ("sm_87", 87), ("sm_89", 89), ("sm_90", 90)));
    }

    /// <exception cref="SteerException">It is OpenCL C, and an architecture was given.</exception>
    public KernelLanguage Language(ParseResult parsed) => (parsed.GetValue(_language) ?? KernelLanguage.Ptx) switch
    {
        KernelLanguage.OpenCl when parsed.GetValue(_architecture) is not null =>
            throw new SteerException("--arch is that of PTX: leave it out with --emit opencl."),
        var language => language,
    };

    /// <summary>The two numbers of the architecture.</summary>
    public (int Major, int Minor) Architecture(ParseResult parsed) => Math.DivRem(parsed.GetValue(_architecture) ?? 90, 10);
}

/// <summary>What kernels are written in.</summary>
internal enum KernelLanguage
{
    Ptx,
    OpenCl,
}
