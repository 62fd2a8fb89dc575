using System.Reflection;
using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>A kernel as it is compiled. Its method's name is what a profiler shows.</summary>
/// <param name="Method">A static method of an index and parameters, or of parameters alone where <paramref name="Grouped"/>.</param>
/// <param name="Grouped">Threads of a group work together.</param>
/// <param name="TensorCores">Written for warps of 32 and tensor cores: for CUDA, and for the emulator with such warps.</param>
internal sealed record KernelSource(MethodInfo Method, bool Grouped, bool TensorCores)
{
    /// <summary>A kernel whose threads know nothing of each other.</summary>
    public static KernelSource Of<TParameters>(Action<Index1D, TParameters> body) => new(body.Method, false, false);

    /// <summary>A kernel of groups.</summary>
    public static KernelSource OfGroups<TParameters>(Action<TParameters> body, bool tensorCores = false) => new(body.Method, true, tensorCores);
}
