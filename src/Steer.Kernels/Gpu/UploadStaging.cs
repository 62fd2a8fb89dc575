using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Runtime;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Pinned memory of the host through which uploads pass, in two halves: while the device copies from one, the host fills the other. So a large
/// weight is read, converted and copied at once, and a step's metadata waits for nothing.
/// </summary>
internal sealed class UploadStaging(IlgpuDevice device) : IDisposable
{
    private const int HalfBytes = 8 << 20;

    /// <summary>Chunks begin at multiples of it.</summary>
    private const int Alignment = 64;

    private PageLockedArray1D<byte>? _filling;
    private PageLockedArray1D<byte>? _other;
    private int _used;
    private bool _otherIsBusy;

    /// <summary>Queues copies of <paramref name="source"/>, which may be changed as soon as this returns.</summary>
    public void Upload<T>(ReadOnlySpan<T> source, ArrayView<T> target)
        where T : unmanaged
    {
        _filling ??= device.Accelerator.AllocatePageLocked1D<byte>(HalfBytes, uninitialized: true);
        long done = 0;
        while (!source.IsEmpty)
        {
            int count = Math.Min(source.Length, (HalfBytes - _used) / Unsafe.SizeOf<T>());
            if (count == 0)
            {
                Flip();
                continue;
            }

            Span<byte> chunk = _filling.Span.Slice(_used, count * Unsafe.SizeOf<T>());
            MemoryMarshal.AsBytes(source[..count]).CopyTo(chunk);
            // From here on the half that was filled before must be the host's again.
            if (_otherIsBusy)
                device.Synchronize();
            _otherIsBusy = false;
            target.SubView(done, count).CopyFromCPUUnsafeAsync(device.Stream, ref MemoryMarshal.Cast<byte, T>(chunk)[0], count);
            _used = (_used + chunk.Length + Alignment - 1) / Alignment * Alignment;
            source = source[count..];
            done += count;
        }
    }

    public void Dispose()
    {
        _filling?.Dispose();
        _other?.Dispose();
    }

    private void Flip()
    {
        _other ??= device.Accelerator.AllocatePageLocked1D<byte>(HalfBytes, uninitialized: true);
        (_filling, _other) = (_other, _filling);
        _otherIsBusy = true;
        _used = 0;
    }
}
