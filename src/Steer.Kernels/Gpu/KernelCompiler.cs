using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>Compiles every kernel to text, on machines without a GPU too.</summary>
public static class KernelCompiler
{
    /// <summary>The PTX of every kernel for an architecture, by the kernel's name.</summary>
    /// <param name="major">8 for sm_80 to sm_89, 9 for sm_90.</param>
    /// <param name="minor">The architecture's second number.</param>
    /// <param name="level">How much ILGPU optimises.</param>
    public static IReadOnlyDictionary<string, string> Ptx(int major, int minor, OptimizationLevel level = OptimizationLevel.O1)
    {
        var architecture = new CudaArchitecture(major, minor);
        // The first instruction set that knows sm_90: a newer one would ask for a newer driver than these kernels need.
        using Context context = CreateContext(level);
        using var backend = new PTXBackend(
            context, new CudaCapabilityContext(architecture), architecture, CudaInstructionSet.ISA_78, nvvmAPI: null);
        return KernelCatalog.All.ToDictionary(k => k.Method.Name, k => ((PTXCompiledKernel)Compile(backend, k)).PTXAssembly);
    }

    /// <summary>The OpenCL C of every kernel that does not need CUDA's tensor cores, by the kernel's name.</summary>
    public static IReadOnlyDictionary<string, string> OpenCl(OptimizationLevel level = OptimizationLevel.O1)
    {
        var capabilities = new CLCapabilityContext(
            float16: true, float64: true, genericAddressSpace: true, int64_Atomics: true, subGroups: true);
        using Context context = CreateContext(level);
        using var backend = new CLBackend(context, capabilities, CLDeviceVendor.Other, CLCVersion.CL20);
        return KernelCatalog.All.Where(k => !k.TensorCores)
            .ToDictionary(k => k.Method.Name, k => ((CLCompiledKernel)Compile(backend, k)).Source);
    }

    private static Context CreateContext(OptimizationLevel level) => Context.Create(b => IlgpuDevice.Prepare(b).Optimize(level));

    /// <summary>A kernel as a backend runs it; of PTX, with what orders it in a recorded step.</summary>
    internal static CompiledKernel Compile(Backend backend, KernelSource kernel)
    {
        CompiledKernel compiled = backend.Compile(EntryPoint(kernel), default);
        return backend is PTXBackend cuda && compiled is PTXCompiledKernel { PTXAssembly: var ptx }
            ? PtxKernels.Create(backend.Context, PtxKernels.EntryPointOf(compiled), compiled.Info, LaunchOrder.Complete(cuda, ptx))
            : compiled;
    }

    /// <summary>How ILGPU is to call a kernel.</summary>
    internal static EntryPointDescription EntryPoint(KernelSource kernel) => kernel.Grouped
        ? EntryPointDescription.FromExplicitlyGroupedKernel(kernel.Method)
        : EntryPointDescription.FromImplicitlyGroupedKernel(kernel.Method);
}
