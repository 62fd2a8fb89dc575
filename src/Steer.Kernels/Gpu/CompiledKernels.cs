using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using ILGPU.Backends;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// What was compiled in this process, for all of its devices: a kernel takes ILGPU up to two seconds, and devices of one kind take the same code.
/// CUDA's is kept on disk too (<see cref="PtxCache"/>).
/// </summary>
internal static class CompiledKernels
{
    private static readonly ConcurrentDictionary<(string Target, MethodInfo Body), Lazy<CompiledKernel>> Kernels = new();
    private static readonly PtxCache? Disk = PtxCache.OfUser();

    /// <summary>A kernel's code for an accelerator. Any thread may call.</summary>
    public static CompiledKernel Get(Accelerator accelerator, KernelSource kernel) => Kernels.GetOrAdd(
        (Target(accelerator), kernel.Method), static (_, of) => new(() => Load(of.accelerator, of.kernel)), (accelerator, kernel)).Value;

    private static CompiledKernel Load(Accelerator accelerator, KernelSource kernel)
    {
        if (accelerator is not CudaAccelerator cuda || Disk is null)
            return KernelCompiler.Compile(BackendOf(accelerator), kernel);
        if (Disk.Read(cuda.Backend, kernel) is { } kept)
            return kept;
        var compiled = (PTXCompiledKernel)KernelCompiler.Compile(cuda.Backend, kernel);
        Disk.Write(cuda.Backend, kernel, compiled);
        return compiled;
    }

    // All that a backend's code depends on.
    private static string Target(Accelerator accelerator) => accelerator switch
    {
        CudaAccelerator cuda => string.Create(CultureInfo.InvariantCulture, $"{cuda.Architecture} {cuda.InstructionSet}"),
        CLAccelerator openCl => string.Create(CultureInfo.InvariantCulture, $"{openCl.PlatformName} {openCl.Name} {openCl.CLStdVersion}"),
        _ => nameof(AcceleratorType.CPU),
    };

    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "get_Backend")]
    private static extern Backend BackendOf(Accelerator accelerator);
}
