using System.Globalization;
using System.Reflection;
using System.Runtime.Intrinsics;
using Steer.Kernels.Gpu;
using Steer.Kernels.Host;
using Xunit.Sdk;

namespace Steer.Kernels.Tests;

/// <summary>
/// The devices on which every shared kernel test runs: the CPU device at each vector width that this processor has, alone and as a team
/// of three (a number that divides nothing evenly), ILGPU's CPU accelerator, and the GPUs where there are any.
/// </summary>
public sealed class DeviceSet : IDisposable
{
    private readonly Dictionary<string, Device> _open = [];

    /// <summary>Names of the CPU devices: cpu-BITSxTHREADS.</summary>
    public static IReadOnlyList<string> HostNames { get; } =
        [.. VectorBits().SelectMany(bits => new[] { 1, 3 }, (bits, threads) => string.Create(CultureInfo.InvariantCulture, $"cpu-{bits}x{threads}"))];

    /// <summary>Names of all devices.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. HostNames, .. IlgpuDevice.List().Select(d => d.Name)];

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
        if (!name.StartsWith("cpu-", StringComparison.Ordinal))
            return IlgpuDevice.Create(name);
        int[] numbers = [.. name[4..].Split('x').Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
        return new HostDevice(new HostDeviceOptions { VectorBits = numbers[0], Threads = numbers[1] });
    }

    private static IEnumerable<int> VectorBits()
    {
        if (Vector512.IsHardwareAccelerated)
            yield return 512;
        if (Vector256.IsHardwareAccelerated)
            yield return 256;
        yield return 128;
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
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        DeviceSet.Names.Select(name => new object[] { name }.Concat(arguments).ToArray());
}
