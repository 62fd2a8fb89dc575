using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using Steer.Kernels.Gpu;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>
/// A card that is not there: kernels are compiled to the PTX that an H100 gets, and run by interpretation with a card's geometry, in the memory of ILGPU's CPU accelerator. Each
/// kernel is decoded once for the process.
/// </summary>
internal sealed class PtxLauncher : IKernelLauncher
{
    /// <summary>Threads of a group whose threads know nothing of each other: any number will do, and fewer leave fewer idle.</summary>
    private const int GroupSize = 128;

    private static readonly ConcurrentDictionary<MethodInfo, PtxKernel> Kernels = new();
    private static readonly Lazy<PTXBackend> Backend = new(CreateBackend);

    private ulong _launches;

    /// <summary>As an H100 has.</summary>
    public int NumMultiprocessors => 132;

    public int MaxGroupSize => 1024;

    public void Launch(KernelLaunch launch, object parameters, IEnumerable<(long Start, long Bytes)> memory)
    {
        PtxKernel kernel = Kernels.GetOrAdd(launch.Kernel.Method, _ => Compile(launch.Kernel));
        var writer = new PtxParameterWriter();
        Index3D groups = launch.Groups;
        int size = launch.GroupSize;
        if (!launch.Kernel.Grouped)
        {
            writer.Write(launch.Groups.X);
            size = GroupSize;
            groups = new Index3D((launch.Groups.X + GroupSize - 1) / GroupSize, 1, 1);
        }

        writer.Write(parameters);
        byte[] bytes = writer.ToArray();
        if (bytes.Length != kernel.Parameters.Bytes)
            throw new PtxFaultException($"{kernel.Name} takes {kernel.Parameters.Bytes} bytes of parameters and got {bytes.Length}");
        kernel.Run(new PtxLaunch(
            new PtxGrid(groups.X, groups.Y, groups.Z), size, launch.DynamicBytes, bytes, new PtxGlobalMemory(memory), ++_launches));
    }

    private static PtxKernel Compile(KernelSource kernel)
    {
        lock (Backend)
            return new PtxKernel(((PTXCompiledKernel)KernelCompiler.Compile(Backend.Value, kernel)).PTXAssembly);
    }

    // It lives as long as the process, as what was compiled does.
    private static PTXBackend CreateBackend()
    {
        var architecture = new CudaArchitecture(9, 0);
        return new PTXBackend(
            Context.Create(b => IlgpuDevice.Prepare(b)), new CudaCapabilityContext(architecture), architecture, CudaInstructionSet.ISA_86, nvvmAPI: null);
    }
}

/// <summary>Lays out parameters as a kernel sees them: fields in their order, each at a multiple of its size, and a view as its address and its length.</summary>
internal sealed class PtxParameterWriter
{
    private readonly List<byte> _bytes = [];

    public byte[] ToArray() => [.. _bytes];

    /// <summary>Appends a number, a view, or a structure of them.</summary>
    public void Write(object value)
    {
        switch (value)
        {
            case IContiguousArrayView view:
                Align(8);
                Append(view.Length == 0 ? 0L : view.Buffer.NativePtr + view.IndexInBytes);
                Append(view.Length);
                break;
            case Enum number:
                Write(Convert.ChangeType(number, Enum.GetUnderlyingType(number.GetType()), System.Globalization.CultureInfo.InvariantCulture));
                break;
            case long number:
                Append(number);
                break;
            case int number:
                Append(number);
                break;
            case uint number:
                Append(number);
                break;
            case float number:
                Append(number);
                break;
            case double number:
                Append(number);
                break;
            case byte number:
                Append(number);
                break;
            case bool flag:
                Append(flag ? (byte)1 : (byte)0);
                break;
            default:
                WriteFields(value);
                break;
        }
    }

    private void WriteFields(object structure)
    {
        FieldInfo[] fields = structure.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic);
        if (structure.GetType().IsPrimitive || fields.Length == 0)
            throw new FormatException($"No layout of {structure.GetType()} is known here.");
        int alignment = Alignment(structure.GetType());
        Align(alignment);
        foreach (FieldInfo field in fields.OrderBy(f => f.MetadataToken))
            Write(field.GetValue(structure)!);
        Align(alignment);
    }

    private static int Alignment(Type type) => typeof(IArrayView).IsAssignableFrom(type) ? 8
        : type.IsEnum ? Alignment(Enum.GetUnderlyingType(type))
        : type.IsPrimitive ? type == typeof(bool) ? 1 : Marshal.SizeOf(type)
        : type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Select(f => Alignment(f.FieldType)).DefaultIfEmpty(1).Max();

    private void Append<T>(T number)
        where T : unmanaged
    {
        Align(Marshal.SizeOf<T>());
        _bytes.AddRange(MemoryMarshal.AsBytes([number]));
    }

    private void Align(int bytes)
    {
        while (_bytes.Count % bytes != 0)
            _bytes.Add(0);
    }
}
