using System.Runtime.InteropServices;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>What the driver is told of a kernel, for which ILGPU has no words.</summary>
internal static unsafe class CudaFunctions
{
    /// <summary>CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES.</summary>
    private const int MaxDynamicSharedBytes = 8;

    /// <summary>CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, in percent of what shared memory and cache have together.</summary>
    private const int SharedMemoryCarveout = 9;

    private static readonly Lazy<nint> SetAttribute = new(() => NativeLibrary.GetExport(NativeLibrary.Load(DriverName), "cuFuncSetAttribute"));

    /// <summary>The driver's library.</summary>
    public static string DriverName => OperatingSystem.IsWindows() ? "nvcuda" : "libcuda.so.1";

    /// <summary>Lets launches of a kernel have so much dynamic shared memory.</summary>
    public static void AllowSharedMemory(Kernel kernel, int bytes)
    {
        if (kernel is not CudaKernel cuda || bytes <= IlgpuDevice.SharedBytes)
            return;
        var set = (delegate* unmanaged<nint, int, int, int>)SetAttribute.Value;
        CudaException.ThrowIfFailed((CudaError)set(cuda.FunctionPtr, MaxDynamicSharedBytes, bytes));
        CudaException.ThrowIfFailed((CudaError)set(cuda.FunctionPtr, SharedMemoryCarveout, 100));
    }
}
