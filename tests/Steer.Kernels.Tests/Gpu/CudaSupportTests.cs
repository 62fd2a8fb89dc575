using ILGPU.Runtime.Cuda;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Tests.Gpu;

/// <summary>Which path a card and a driver get, as a function of their versions.</summary>
public sealed class CudaSupportTests
{
    [Theory]
    [InlineData(7, 5, 8, 0, false)]
    [InlineData(8, 0, 6, 5, false)]
    [InlineData(8, 0, 7, 0, true)]
    [InlineData(8, 6, 7, 8, true)]
    [InlineData(9, 0, 8, 6, true)]
    public void Tensor_cores_ask_for_a_card_and_an_instruction_set(int major, int minor, int isaMajor, int isaMinor, bool expected) =>
        Assert.Equal(expected, CudaSupport.HasTensorCores(new CudaArchitecture(major, minor), new CudaInstructionSet(isaMajor, isaMinor)));

    [Theory]
    [InlineData(11, 4)]
    [InlineData(12, 0)]
    public void An_older_driver_gets_an_older_instruction_set(int major, int minor)
    {
        var architecture = new CudaArchitecture(8, 0);
        Assert.True(CudaAccelerator.TryGetInstructionSet(
            architecture, CudaDriverVersion.FromMajorMinor(12, 8), out _, out CudaInstructionSet newest));
        Assert.True(CudaAccelerator.TryGetInstructionSet(
            architecture, CudaDriverVersion.FromMajorMinor(major, minor), out _, out CudaInstructionSet older));
        Assert.True(older < newest);
        Assert.True(CudaSupport.HasTensorCores(architecture, older));
        Assert.False(CudaAccelerator.TryGetInstructionSet(architecture, CudaDriverVersion.FromMajorMinor(10, 0), out _, out _));
    }
}
