using Steer.Kernels.Gpu;

namespace Steer.Runtime.Tests;

/// <summary>Devices on which whole models are run.</summary>
internal static class TestDevices
{
    /// <summary>ILGPU's CPU accelerator, which is slow.</summary>
    public const string Emulator = "ilgpu-cpu";

    /// <summary>The emulator, and the GPUs where there are any.</summary>
    public static IReadOnlyList<string> Ilgpu { get; } = [.. IlgpuDevice.List().Select(d => d.Name)];

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = ["cpu", .. Ilgpu];

    /// <summary>Every device with every value.</summary>
    public static TheoryData<string, T> With<T>(IReadOnlyList<string> devices, IEnumerable<T> values)
    {
        var data = new TheoryData<string, T>();
        foreach (T value in values)
        {
            foreach (string device in devices)
                data.Add(device, value);
        }

        return data;
    }
}
