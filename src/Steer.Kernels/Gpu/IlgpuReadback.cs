using ILGPU;
using ILGPU.Runtime;

namespace Steer.Kernels.Gpu;

/// <summary>Pinned memory of the host that the accelerator's stream copies to.</summary>
internal sealed class IlgpuReadback<T>(IlgpuDevice device, int length) : Readback<T>
    where T : unmanaged
{
    private readonly PageLockedArray1D<T> _memory = device.Accelerator.AllocatePageLocked1D<T>(Math.Max(1, length));

    public override ReadOnlySpan<T> Data => _memory.Span;

    public override void Request(DeviceBuffer<T> source, int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, source.Length);
        device.BeginTransfer();
        if (count > 0)
            IlgpuDevice.View(source).SubView(0, count).CopyToCPUUnsafeAsync(device.Stream, ref _memory.Span[0], count);
    }

    public override void Dispose() => _memory.Dispose();
}
