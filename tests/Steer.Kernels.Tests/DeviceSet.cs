using System.Globalization;
using System.Reflection;
using Steer.Kernels.Gpu;
using Steer.Kernels.Host;
using Steer.Kernels.Tests.Ptx;
using Xunit.Sdk;

// One test at a time: the threads of an emulated group wait for each other thousands of times a launch, which takes ten times as long where others
// have the processors meanwhile.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Steer.Kernels.Tests;

/// <summary>
/// The devices on which every shared kernel test runs: the CPU device with each instruction set that this processor has, alone and as a team
/// of three (a number that divides nothing evenly), ILGPU's CPU accelerator, an interpreter of the kernels' PTX, and the GPUs where there are any.
/// </summary>
public sealed class DeviceSet : IDisposable
{
    private readonly Dictionary<string, Device> _open = [];

    /// <summary>Names of the CPU devices: cpu-SETxTHREADS.</summary>
    public static IReadOnlyList<string> HostNames { get; } =
        [.. InstructionSets.Supported.SelectMany(s => new[] { 1, 3 }, (s, threads) => string.Create(CultureInfo.InvariantCulture, $"cpu-{s}x{threads}"))];

    /// <summary>ILGPU's CPU accelerator with the warps of a GPU: slow, for tests of what the lanes of a warp do together.</summary>
    public const string WarpEmulator = "ilgpu-warps";

    /// <summary>The same with groups of as many threads as on a GPU: slower still.</summary>
    public const string GroupEmulator = "ilgpu-groups";

    /// <summary>The PTX of every kernel, interpreted with the geometry of a card.</summary>
    public const string Ptx = "ptx";

    /// <summary>Names of all devices.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. HostNames, Ptx, .. IlgpuDevice.List().Select(d => d.Name)];

    /// <summary>Names of those that ILGPU drives, its CPU accelerator in both forms.</summary>
    public static IReadOnlyList<string> IlgpuNames { get; } = [WarpEmulator, .. Names.Except(HostNames)];

    /// <summary>A device by its name, opened once.</summary>
    public Device this[string name]
    {
        get
        {
            if (!_open.TryGetValue(name, out Device? device))
                _open.Add(name, device = Open(name));
            return device;
        }
    }

    public void Dispose()
    {
        foreach (Device device in _open.Values)
            device.Dispose();
    }

    private static Device Open(string name)
    {
        if (name == WarpEmulator)
            return IlgpuDevice.CreateWarpEmulator();
        if (name == GroupEmulator)
            return IlgpuDevice.CreateWarpEmulator(warps: 16);
        if (name == Ptx)
            return IlgpuDevice.CreateOver(new PtxLauncher());
        if (!name.StartsWith("cpu-", StringComparison.Ordinal))
            return IlgpuDevice.Create(name);
        int x = name.LastIndexOf('x');
        return new HostDevice(new HostDeviceOptions
        {
            InstructionSet = Enum.Parse<InstructionSet>(name[4..x]),
            Threads = int.Parse(name[(x + 1)..], CultureInfo.InvariantCulture),
        });
    }
}

/// <summary>Kernel tests share the devices and run one after the other: a device is used from one thread at a time.</summary>
[CollectionDefinition(Name)]
public sealed class DeviceCollection : ICollectionFixture<DeviceSet>
{
    public const string Name = "devices";
}

/// <summary>A theory's data: the name of every device, followed by the given arguments.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class OnEveryDeviceAttribute(params object[] arguments) : DataAttribute
{
    /// <summary>A device for which the test is too long.</summary>
    public string? Except { get; init; }

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        DeviceSet.Names.Where(name => name != Except).Select(name => new object[] { name }.Concat(arguments).ToArray());
}

/// <summary>As <see cref="OnEveryDeviceAttribute"/>, for what only devices of ILGPU have.</summary>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class OnEveryIlgpuDeviceAttribute(params object[] arguments) : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        DeviceSet.IlgpuNames.Select(name => new object[] { name }.Concat(arguments).ToArray());
}
