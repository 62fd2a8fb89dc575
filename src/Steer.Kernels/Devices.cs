using Steer.Kernels.Gpu;
using Steer.Kernels.Host;

namespace Steer.Kernels;

/// <summary>Opens devices by name.</summary>
public static class Devices
{
    /// <summary>Opens cpu, cuda, cuda:N, opencl, opencl:N or ilgpu-cpu.</summary>
    /// <param name="name">Which device.</param>
    /// <param name="threads">Threads of the CPU device; 0 for all processors.</param>
    /// <param name="instructionSet">What the CPU device multiplies with.</param>
    /// <exception cref="ArgumentException">There is no such device here; one line says which there are.</exception>
    public static Device Open(string name, int threads = 0, InstructionSet instructionSet = InstructionSet.Auto) =>
        name == "cpu" ? new HostDevice(new HostDeviceOptions { Threads = threads, InstructionSet = instructionSet }) : IlgpuDevice.Create(name);
}
