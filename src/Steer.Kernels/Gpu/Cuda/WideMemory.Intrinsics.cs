using System.Globalization;
using ILGPU;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Types;
using ILGPU.IR.Values;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>The instructions.</content>
internal static partial class WideMemory
{
    private delegate Words4 Reader(ref uint source);

    private delegate void Prefetcher(ref float source);

    private delegate void Copier(ref uint shared, ref uint source);

    /// <summary>Tells a context's backends how to write the instructions of this class.</summary>
    public static Context.Builder EnableWideMemory(this Context.Builder builder)
    {
        CudaInstructions.Register(builder, (Reader)LoadConstant, WriteLoadConstant, WriteFourLoads);
        CudaInstructions.Register(builder, (Reader)LoadGlobal, WriteLoadGlobal, WriteFourLoads);
        CudaInstructions.Register(builder, (Reader)LoadShared, WriteLoadShared, WriteFourLoads);
        CudaInstructions.Register(builder, (Prefetcher)Prefetch, WritePrefetch, CudaInstructions.WriteNothing);
        CudaInstructions.Register(builder, (Copier)Copy, WriteCopy);
        CudaInstructions.Register(builder, EndStage, WriteCommit);
        CudaInstructions.Register(builder, WaitForAllBut, WriteWait);
        return builder;
    }

    private static void WriteLoadConstant(PTXBackend backend, PTXCodeGenerator generator, Value value) =>
        WriteLoad(generator, value, MemoryAddressSpace.Global, "ld.global.nc.v4.u32");

    private static void WriteLoadGlobal(PTXBackend backend, PTXCodeGenerator generator, Value value) =>
        WriteLoad(generator, value, MemoryAddressSpace.Global, "ld.global.v4.u32");

    private static void WriteLoadShared(PTXBackend backend, PTXCodeGenerator generator, Value value) =>
        WriteLoad(generator, value, MemoryAddressSpace.Shared, "ld.shared.v4.u32");

    private static void WriteLoad(PTXCodeGenerator generator, Value value, MemoryAddressSpace space, string instruction)
    {
        PTXRegisterAllocator.HardwareRegister address = AddressIn(space, generator, ((MethodCall)value)[0]);
        PTXRegisterAllocator.HardwareRegister[] words = CudaInstructions.Results(generator, value);
        using (var command = generator.BeginCommand(instruction))
        {
            command.AppendVectorArgument(words);
            command.AppendArgumentValue(address);
        }

        generator.FreeRegister(address);
    }

    private static void WritePrefetch(PTXBackend backend, PTXCodeGenerator generator, Value value)
    {
        PTXRegisterAllocator.HardwareRegister address = AddressIn(MemoryAddressSpace.Global, generator, ((MethodCall)value)[0]);
        using (var command = generator.BeginCommand("prefetch.global.L2"))
            command.AppendArgumentValue(address);
        generator.FreeRegister(address);
    }

    private static void WriteCopy(PTXBackend backend, PTXCodeGenerator generator, Value value)
    {
        var call = (MethodCall)value;
        PTXRegisterAllocator.HardwareRegister shared = AddressIn(MemoryAddressSpace.Shared, generator, call[0]);
        PTXRegisterAllocator.HardwareRegister source = AddressIn(MemoryAddressSpace.Global, generator, call[1]);
        using (var command = generator.BeginCommand("cp.async.cg.shared.global"))
        {
            command.AppendArgumentValue(shared);
            command.AppendArgumentValue(source);
            command.AppendConstant(16L);
        }

        generator.FreeRegister(shared);
        generator.FreeRegister(source);
    }

    private static void WriteCommit(PTXBackend backend, PTXCodeGenerator generator, Value value) =>
        generator.Command("cp.async.commit_group");

    private static void WriteWait(PTXBackend backend, PTXCodeGenerator generator, Value value)
    {
        using var command = generator.BeginCommand("cp.async.wait_group");
        command.AppendConstant(((MethodCall)value)[0].ResolveAs<PrimitiveValue>()!.Int64Value);
    }

    // ILGPU hands over an address in the space that it knows it to be in, else a generic one, which is converted. The register is a new one.
    private static PTXRegisterAllocator.HardwareRegister AddressIn(MemoryAddressSpace space, PTXCodeGenerator generator, Value reference)
    {
        PTXRegisterAllocator.HardwareRegister source = CudaInstructions.Registers(generator, reference)[0];
        PTXRegisterAllocator.HardwareRegister address = generator.AllocateRegister(source.Description);
        MemoryAddressSpace known = ((AddressSpaceType)reference.Type).AddressSpace;
        if (known != space && known != MemoryAddressSpace.Generic)
            throw new InvalidOperationException($"An address of {known} memory where one of {space} memory is read.");
        string suffix = space == MemoryAddressSpace.Shared ? "shared" : "global";
        using var command = generator.BeginCommand(known == space ? "mov.b64" : $"cvta.to.{suffix}.u64");
        command.AppendArgument(address);
        command.AppendArgument(source);
        return address;
    }

    private static void WriteFourLoads(CLBackend backend, CLCodeGenerator generator, Value value)
    {
        string source = generator.Load(((MethodCall)value)[0]).VariableName;
        var words = generator.Allocate(value);
        generator.Declare(words);
        for (int i = 0; i < 4; i++)
        {
            using var statement = generator.BeginStatement(words, new FieldAccess(i));
            statement.AppendCommand(string.Create(CultureInfo.InvariantCulture, $"{source}[{i}]"));
        }
    }
}
