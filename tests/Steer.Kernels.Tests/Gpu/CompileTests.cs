using System.Reflection;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Steer.Kernels.Gpu;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>
/// Every kernel compiles for GPUs on a machine that has none: to PTX for the first architecture that has bfloat16 and for the H100's, and to
/// OpenCL C; at both of ILGPU's levels of optimisation, as its second one has had defects of its own.
/// </summary>
public sealed class CompileTests
{
    /// <summary>The methods that <see cref="IlgpuDevice.Launch"/> is given: those named Body of the classes named Kernel.</summary>
    private static readonly Dictionary<string, MethodInfo> Bodies = typeof(IlgpuDevice).Assembly.GetTypes()
        .Where(t => t.Namespace == typeof(IlgpuDevice).Namespace && t.Name.EndsWith("Kernel", StringComparison.Ordinal))
        .ToDictionary(t => t.Name, t => t.GetMethod("Body", BindingFlags.Static | BindingFlags.NonPublic)!);

    public static TheoryData<string> Kernels => [.. Bodies.Keys];

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Kernels_compile_to_PTX(string kernel)
    {
        foreach (OptimizationLevel level in new[] { OptimizationLevel.O1, OptimizationLevel.O2 })
        {
            using Context context = CreateContext(level);
            foreach (CudaArchitecture architecture in new[] { new CudaArchitecture(8, 0), new CudaArchitecture(9, 0) })
            {
                using var backend = new PTXBackend(
                    context, new CudaCapabilityContext(architecture), architecture, CudaInstructionSet.ISA_80, nvvmAPI: null);
                string code = ((PTXCompiledKernel)Compile(backend, kernel)).PTXAssembly;
                Assert.Contains(".visible .entry", code, StringComparison.Ordinal);
                // CUDA's quick versions of these know 11 to 21 bits, which is why KernelMath has its own.
                Assert.DoesNotMatch("(tanh|sin|cos)\\.approx", code);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void Kernels_compile_to_OpenCL(string kernel)
    {
        foreach (OptimizationLevel level in new[] { OptimizationLevel.O1, OptimizationLevel.O2 })
        {
            using Context context = CreateContext(level);
            var capabilities = new CLCapabilityContext(float16: true, float64: true, genericAddressSpace: true, int64_Atomics: true, subGroups: true);
            using var backend = new CLBackend(context, capabilities, CLDeviceVendor.Other, CLCVersion.CL20);
            Assert.Contains("kernel void", ((CLCompiledKernel)Compile(backend, kernel)).Source, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Products_and_sums_are_fused_on_every_backend()
    {
        using Context context = CreateContext(OptimizationLevel.O1);
        var architecture = new CudaArchitecture(8, 0);
        using var ptx = new PTXBackend(
            context, new CudaCapabilityContext(architecture), architecture, CudaInstructionSet.ISA_80, nvvmAPI: null);
        Assert.Contains("fma.rn.f32", ((PTXCompiledKernel)Compile(ptx, nameof(MatMulKernel))).PTXAssembly, StringComparison.Ordinal);
        var capabilities = new CLCapabilityContext(float16: true, float64: true, genericAddressSpace: true, int64_Atomics: true, subGroups: true);
        using var openCl = new CLBackend(context, capabilities, CLDeviceVendor.Other, CLCVersion.CL20);
        Assert.Contains("fma (", ((CLCompiledKernel)Compile(openCl, nameof(MatMulKernel))).Source, StringComparison.Ordinal);
    }

    private static Context CreateContext(OptimizationLevel level) => Context.Create(b => IlgpuDevice.Prepare(b).Optimize(level));

    private static CompiledKernel Compile(Backend backend, string kernel) =>
        backend.Compile(EntryPointDescription.FromImplicitlyGroupedKernel(Bodies[kernel]), default);
}
