using System.Globalization;
using ILGPU;
using ILGPU.Runtime;
using ILGPU.Runtime.CPU;
using ILGPU.Runtime.Cuda;
using ILGPU.Runtime.OpenCL;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <content>Which devices there are, and how one is opened by name.</content>
public sealed partial class IlgpuDevice
{
    private const string EmulatorName = "ilgpu-cpu";

    /// <summary>Bytes of shared memory that a group has on every device that is opened: on CUDA, what a launch need not ask for.</summary>
    internal const int SharedBytes = 48 << 10;

    /// <summary>Threads of a group that kernels count on.</summary>
    private const int GroupThreads = 256;

    static IlgpuDevice() => DriverLibraries.Register();

    /// <summary>Devices that <see cref="Create"/> can open on this machine; without a GPU or its driver, the emulator alone.</summary>
    public static IReadOnlyList<IlgpuDeviceInfo> List()
    {
        using Context cuda = Context.Create(builder => builder.Cuda());
        using Context openCl = Context.Create(builder => builder.OpenCL());
        return
        [
            new IlgpuDeviceInfo(EmulatorName, DescribeEmulator(), IsGpu: false),
            .. Gpus(cuda).Select((d, i) => Info("cuda", i, d)),
            .. Gpus(openCl).Select((d, i) => Info("opencl", i, d)),
        ];

        static IlgpuDeviceInfo Info(string kind, int index, ILGPU.Runtime.Device device) => new(
            string.Create(CultureInfo.InvariantCulture, $"{kind}:{index}"), Describe(device),
            device is not CLDevice openCl || (openCl.DeviceType & CLDeviceType.CL_DEVICE_TYPE_CPU) == 0);
    }

    /// <summary>Opens a device.</summary>
    /// <param name="name">ilgpu-cpu, cuda, cuda:N, opencl or opencl:N.</param>
    /// <param name="memoryLimit">Most bytes of its memory to take.</param>
    /// <exception cref="ArgumentException">The name is none of these, or this machine has no such device.</exception>
    public static IlgpuDevice Create(string name, long memoryLimit = long.MaxValue)
    {
        string[] parts = name.Split(':', 2);
        int index = 0;
        bool wellFormed = parts.Length == 1 || int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out index);
        return parts[0] switch
        {
            "cuda" when wellFormed => Open(name, index, builder => builder.Cuda(), memoryLimit),
            "opencl" when wellFormed => Open(name, index, builder => builder.OpenCL(), memoryLimit),
            EmulatorName when parts.Length == 1 => OpenEmulator(memoryLimit),
            _ => throw Missing(name),
        };
    }

    /// <summary>What every context needs before it can compile these kernels.</summary>
    internal static Context.Builder Prepare(Context.Builder builder) =>
        builder.EnableAlgorithms().EnableKernelMath().EnableWideMemory().EnableTensorCores().EnableLaunchOrder();

    /// <summary>Opens the emulator with the warps of a GPU, each thread one of the machine's: slow, for tests of what lanes do together.</summary>
    /// <param name="warps">Warps of a group that shares work, up to the 16 that a GPU has.</param>
    internal static IlgpuDevice CreateWarpEmulator(int warps = 2)
    {
        var device = new CPUDevice(Warps.Size, numWarpsPerMultiprocessor: Math.Max(warps, GroupThreads / Warps.Size), numMultiprocessors: 1);
        return OpenEmulator(device, long.MaxValue, warps * Warps.Size);
    }

    /// <summary>
    /// Opens a device with the memory of the emulator and the decisions of a card, whose kernels are run by <paramref name="launcher"/>.
    /// </summary>
    internal static IlgpuDevice CreateOver(IKernelLauncher launcher)
    {
        var device = new CPUDevice(numThreadsPerWarp: 2, numWarpsPerMultiprocessor: 1, numMultiprocessors: 1);
        return OpenEmulator(device, long.MaxValue, launcher.MaxGroupSize, launcher);
    }

    // Each processor of the emulator takes its share of the groups with no word to the others; two threads are its least, and one alone is quickest.
    private static IlgpuDevice OpenEmulator(long memoryLimit) =>
        OpenEmulator(new CPUDevice(numThreadsPerWarp: 2, numWarpsPerMultiprocessor: 1, Environment.ProcessorCount), memoryLimit, maxGroupSize: 1);

    private static IlgpuDevice OpenEmulator(CPUDevice device, long memoryLimit, int maxGroupSize, IKernelLauncher? launcher = null)
    {
        Context context = Context.Create(builder => Prepare(builder).CPU(device));
        CPUAccelerator accelerator = device.CreateCPUAccelerator(context, CPUAcceleratorMode.Parallel);
        return new IlgpuDevice(context, accelerator, DescribeEmulator(), memoryLimit, maxGroupSize, launcher);
    }

    private static IlgpuDevice Open(string name, int index, Action<Context.Builder> enable, long memoryLimit)
    {
        Context context = Context.Create(builder => enable(Prepare(builder)));
        try
        {
            ILGPU.Runtime.Device device = Gpus(context).ElementAtOrDefault(index) ?? throw Missing(name);
            if (Lacks(device) is { } lack)
                throw new ArgumentException($"{name}: {device.Name} has {lack}, as kernels need.");
            return new IlgpuDevice(context, device.CreateAccelerator(context), Describe(device), memoryLimit, device.MaxNumThreadsPerGroup);
        }
        catch (Exception e) when (e is AcceleratorException or NotSupportedException)
        {
            context.Dispose();
            throw new ArgumentException($"{name}: the device does not open ({Reason(e)}). Is its driver up to date, and is it free?", e);
        }
        catch
        {
            context.Dispose();
            throw;
        }
    }

    // What every CUDA device has, and not every one of OpenCL's.
    private static string? Lacks(ILGPU.Runtime.Device device) =>
        device is CLDevice { Capabilities.Float64: false } ? "no 64-bit floating point"
        : device.MaxNumThreadsPerGroup < GroupThreads ? $"groups of {device.MaxNumThreadsPerGroup} threads and not of {GroupThreads}"
        : device.MaxSharedMemoryPerGroup < SharedBytes ? $"{device.MaxSharedMemoryPerGroup} bytes of shared memory and not {SharedBytes}"
        : null;

    // A context that found nothing has a CPU device put into it by ILGPU.
    private static IEnumerable<ILGPU.Runtime.Device> Gpus(Context context) => context.Devices.Where(d => d is CudaDevice or CLDevice);

    private static ArgumentException Missing(string name)
    {
        string names = string.Join(", ", List().Select(d => d.Name));
        return new($"There is no device '{name}' here; there are: cpu, {names}. A GPU is seen where its driver is installed.");
    }

    private static string DescribeEmulator() =>
        string.Create(CultureInfo.InvariantCulture, $"ILGPU's CPU accelerator, {Environment.ProcessorCount} threads (an emulator for tests)");

    private static string Describe(ILGPU.Runtime.Device device)
    {
        string version = device switch
        {
            CudaDevice { Architecture: { } architecture } => architecture.ToString(),
            CLDevice openCl => openCl.CLStdVersion.ToString(),
            _ => device.AcceleratorType.ToString(),
        };
        string use = Lacks(device) is { } lack ? $", not to be used: it has {lack}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{device.Name}, {device.MemorySize / (double)(1L << 30):0.#} GiB, {version}{use}");
    }
}
