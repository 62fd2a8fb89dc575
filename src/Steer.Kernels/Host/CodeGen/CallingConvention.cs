namespace Steer.Kernels.Host.CodeGen;

/// <summary>How code on x86-64 is called: where the first argument is, and which registers are the caller's.</summary>
internal enum CallingConvention
{
    /// <summary>System V (Linux, macOS): the argument in rdi; all vector registers may be changed.</summary>
    SystemV,

    /// <summary>Windows: the argument in rcx; rdi, rsi and xmm6 to xmm15 must be left as they were.</summary>
    Windows,
}
