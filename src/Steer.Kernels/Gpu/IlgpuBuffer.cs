using ILGPU;
using ILGPU.Runtime;

namespace Steer.Kernels.Gpu;

/// <summary>A buffer in the memory of an ILGPU accelerator.</summary>
internal sealed class IlgpuBuffer<T> : DeviceBuffer<T>
    where T : unmanaged
{
    private readonly MemoryBuffer1D<T, Stride1D.Dense> _memory;
    private readonly AcceleratorStream _stream;

    /// <summary>Takes over <paramref name="memory"/>, which may be longer: accelerators refuse to allocate nothing.</summary>
    public IlgpuBuffer(MemoryBuffer1D<T, Stride1D.Dense> memory, AcceleratorStream stream, long length)
        : base(length)
    {
        _memory = memory;
        _stream = stream;
        View = memory.View.BaseView.SubView(0, length);
    }

    /// <summary>All elements.</summary>
    public ArrayView<T> View { get; }

    /// <summary>Memory taken, in bytes.</summary>
    public long Bytes => _memory.LengthInBytes;

    public override unsafe void Upload(ReadOnlySpan<T> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        if (source.IsEmpty)
            return;
        // ILGPU takes the address of what it is given and does not pin it.
        fixed (T* pinned = source)
            View.SubView(offset, source.Length).CopyFromCPU(_stream, ref *pinned, source.Length);
    }

    public override unsafe void Download(Span<T> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        if (destination.IsEmpty)
            return;
        fixed (T* pinned = destination)
            View.SubView(offset, destination.Length).CopyToCPU(_stream, ref *pinned, destination.Length);
    }

    public override void Dispose() => _memory.Dispose();
}
