using System.Runtime.InteropServices;

namespace Steer.Kernels.Host;

/// <summary>An array outside the managed heap, aligned to a cache line. Its memory is returned by <see cref="Dispose"/> alone.</summary>
internal sealed unsafe class HostBuffer<T> : DeviceBuffer<T>
    where T : unmanaged
{
    private const int Alignment = 64;

    private nint _block;
    private readonly T* _data;

    /// <summary>Allocates zeroed memory; pages are touched by the first write to them.</summary>
    /// <exception cref="OutOfMemoryException">The process may not have that much.</exception>
    public HostBuffer(long length)
        : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        // malloc may promise more than there is, and the process then dies at a write: refuse what can never fit.
        long limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (length > (limit - Alignment) / sizeof(T))
            throw new OutOfMemoryException($"A buffer of {length} x {sizeof(T)} bytes does not fit into the {limit} bytes of this machine.");
        _block = (nint)NativeMemory.AllocZeroed((nuint)(length * sizeof(T) + Alignment));
        _data = (T*)((_block + Alignment - 1) & -Alignment);
    }

    /// <summary>First element.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public T* Data
    {
        get
        {
            ObjectDisposedException.ThrowIf(_block == 0, this);
            return _data;
        }
    }

    /// <inheritdoc/>
    public override void Upload(ReadOnlySpan<T> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        source.CopyTo(new Span<T>(Data + offset, source.Length));
    }

    /// <inheritdoc/>
    public override void Download(Span<T> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        new ReadOnlySpan<T>(Data + offset, destination.Length).CopyTo(destination);
    }

    /// <inheritdoc/>
    public override void Dispose() => NativeMemory.Free((void*)Interlocked.Exchange(ref _block, 0));
}
