namespace Steer.Kernels.Gpu;

/// <summary>A device that ILGPU can run on.</summary>
/// <param name="Name">What <see cref="IlgpuDevice.Create"/> takes: ilgpu-cpu, cuda:N or opencl:N.</param>
/// <param name="Description">Hardware, memory and version.</param>
/// <param name="IsGpu">It is no processor, as the emulator is, and some devices of OpenCL.</param>
public sealed record IlgpuDeviceInfo(string Name, string Description, bool IsGpu);
