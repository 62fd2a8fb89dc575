using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>What ILGPU keeps to itself of kernels compiled to PTX.</summary>
internal static class PtxKernels
{
    /// <summary>A kernel of a text.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Constructor)]
    public static extern PTXCompiledKernel Create(Context context, EntryPoint entryPoint, CompiledKernel.KernelInfo? info, string ptx);

    /// <summary>Its parameters and shared memory.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_EntryPoint")]
    public static extern EntryPoint EntryPointOf(CompiledKernel kernel);
}
