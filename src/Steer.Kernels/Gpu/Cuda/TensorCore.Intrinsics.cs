using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Values;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>The instructions.</content>
internal static partial class TensorCore
{
    private delegate TSums Multiplier<TSums>(Words4 a, Words2 b, TSums c, ref uint exchange);

    /// <summary>Tells a context's PTX backend how to write the instructions of this class.</summary>
    public static Context.Builder EnableTensorCores(this Context.Builder builder)
    {
        CudaInstructions.Register(builder, (Multiplier<Sums4>)MultiplyBF16, WriteBF16);
        CudaInstructions.Register(builder, (Multiplier<Sums4>)MultiplyTF32, WriteTF32);
        CudaInstructions.Register(builder, (Multiplier<Counts4>)MultiplyInt8, WriteInt8);
        return builder;
    }

    private static void WriteBF16(PTXBackend backend, PTXCodeGenerator generator, Value value) =>
        Write("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", generator, value);

    private static void WriteTF32(PTXBackend backend, PTXCodeGenerator generator, Value value) =>
        Write("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", generator, value);

    private static void WriteInt8(PTXBackend backend, PTXCodeGenerator generator, Value value) =>
        Write("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32", generator, value);

    private static void Write(string instruction, PTXCodeGenerator generator, Value value)
    {
        var call = (MethodCall)value;
        PTXRegisterAllocator.HardwareRegister[] a = CudaInstructions.Registers(generator, call[0]);
        PTXRegisterAllocator.HardwareRegister[] b = CudaInstructions.Registers(generator, call[1]);
        PTXRegisterAllocator.HardwareRegister[] c = CudaInstructions.Registers(generator, call[2]);
        PTXRegisterAllocator.HardwareRegister[] d = CudaInstructions.Results(generator, value);
        using var command = generator.BeginCommand(instruction);
        command.AppendVectorArgument(d);
        command.AppendVectorArgument(a);
        command.AppendVectorArgument(b);
        command.AppendVectorArgument(c);
    }
}
