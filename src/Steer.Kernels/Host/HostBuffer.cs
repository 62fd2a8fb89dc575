using System.Runtime.InteropServices;

namespace Steer.Kernels.Host;

/// <summary>
/// An array outside the managed heap, aligned to a cache line or, where it is large, to a huge page; those of some size share huge pages.
/// Its memory is given back by <see cref="Dispose"/> alone.
/// </summary>
internal sealed unsafe class HostBuffer<T> : DeviceBuffer<T>
    where T : unmanaged
{
    private const int CacheLine = 64;

    private readonly T* _data;
    private readonly HugePageArena.Chunk? _chunk;
    private nint _block;

    /// <summary>Allocates zeroed memory; pages are touched by the first write to them.</summary>
    /// <exception cref="OutOfMemoryException">The process may not have that much.</exception>
    public HostBuffer(long length)
        : base(length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        // malloc may promise more than there is, and the process then dies at a write: refuse what can never fit.
        long limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (length > limit / sizeof(T))
            throw new OutOfMemoryException($"A buffer of {length} x {sizeof(T)} bytes does not fit into the {limit} bytes of this machine.");
        long bytes = length * sizeof(T);
        if (HugePageArena.TakesIn(bytes))
        {
            _chunk = HugePageArena.Take(bytes, out byte* data);
            _data = (T*)data;
            _block = (nint)data;
            return;
        }
        nint alignment = HugePages.WorthFor(bytes) ? HugePages.Size : CacheLine;
        _block = (nint)NativeMemory.AllocZeroed((nuint)(bytes + alignment));
        _data = (T*)((_block + alignment - 1) & -alignment);
        if (alignment == HugePages.Size)
            HugePages.Ask(_data, bytes);
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
    public override void Dispose()
    {
        nint block = Interlocked.Exchange(ref _block, 0);
        if (_chunk is null)
            NativeMemory.Free((void*)block);
        else if (block != 0)
            HugePageArena.Return(_chunk);
    }
}
