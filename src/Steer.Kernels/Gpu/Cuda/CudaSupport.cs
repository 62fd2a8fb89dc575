using ILGPU.Runtime.Cuda;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>What a card and its driver can do. ILGPU itself picks the newest PTX version that the driver reads, or none.</summary>
internal static class CudaSupport
{
    /// <summary>
    /// mma of bfloat16 and int8 in the shapes of <see cref="TensorCore"/>, and cp.async: sm_80 and PTX 7.0. Without them products with rounded
    /// activations round in float32 and multiply exactly.
    /// </summary>
    public static bool HasTensorCores(CudaArchitecture architecture, CudaInstructionSet instructionSet) =>
        architecture >= new CudaArchitecture(8, 0) && instructionSet >= CudaInstructionSet.ISA_70;
}
