using System.Reflection;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// Instructions as methods. ILGPU's own inline assembly (CudaAsm) hands each operand over in local memory, which the assembler does not undo; a code
/// generator for a method sees the registers themselves, those of a structure's fields included.
/// </summary>
internal static class CudaInstructions
{
    /// <summary>
    /// Has calls of a method written by <paramref name="ptx"/>, and by <paramref name="openCl"/> where the method is not for CUDA alone.
    /// </summary>
    public static void Register(Context.Builder builder, Delegate method, PTXIntrinsic.Handler ptx, CLIntrinsic.Handler? openCl = null)
    {
        IntrinsicImplementationManager manager = builder.GetIntrinsicManager();
        manager.RegisterMethod(method.Method, new PTXIntrinsic(ptx.Method, IntrinsicImplementationMode.GenerateCode));
        if (openCl is not null)
            manager.RegisterMethod(method.Method, new CLIntrinsic(openCl.Method, IntrinsicImplementationMode.GenerateCode));
    }

    /// <summary>A method that OpenCL has nothing like and can do without.</summary>
    public static void WriteNothing(CLBackend backend, CLCodeGenerator generator, Value value)
    {
    }

    /// <summary>The registers of a value, one for each field.</summary>
    public static PTXRegisterAllocator.HardwareRegister[] Registers(PTXCodeGenerator generator, Value value) =>
        [.. Flatten(generator.Load(value)).Select(generator.EnsureHardwareRegister)];

    /// <summary>New registers for a call's result, one for each field.</summary>
    public static PTXRegisterAllocator.HardwareRegister[] Results(PTXCodeGenerator generator, Value value) =>
        [.. Flatten(generator.Allocate(value)).Cast<PTXRegisterAllocator.HardwareRegister>()];

    private static IEnumerable<PTXRegisterAllocator.PrimitiveRegister> Flatten(PTXRegisterAllocator.Register register) =>
        register is PTXRegisterAllocator.CompoundRegister compound
            ? compound.Children.SelectMany(Flatten)
            : [(PTXRegisterAllocator.PrimitiveRegister)register];
}
