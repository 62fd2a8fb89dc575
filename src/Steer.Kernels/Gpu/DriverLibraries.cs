using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Where ILGPU finds the drivers on Linux. It asks for libcuda.so and libOpenCL.so, names that come with packages for developers; a driver alone
/// brings libcuda.so.1 and libOpenCL.so.1.
/// </summary>
internal static class DriverLibraries
{
    /// <summary>Tells ILGPU, before it looks for devices; a process whose host has told it something else keeps that.</summary>
    public static void Register()
    {
        try
        {
            NativeLibrary.SetDllImportResolver(typeof(Context).Assembly, Resolve);
        }
        catch (InvalidOperationException)
        {
        }
    }

    /// <summary>The file that a driver brings; null where the name that ILGPU asks for is as good.</summary>
    internal static string? FileOf(string library) => OperatingSystem.IsLinux() && library is "cuda" or "OpenCL" ? $"lib{library}.so.1" : null;

    // Zero has the runtime look where it always does.
    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) =>
        FileOf(name) is { } file && NativeLibrary.TryLoad(file, out nint library) ? library : 0;
}
