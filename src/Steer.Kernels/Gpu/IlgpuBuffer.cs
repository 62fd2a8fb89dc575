using System.Runtime.InteropServices;
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

    public override void Upload(ReadOnlySpan<T> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        if (!source.IsEmpty)
            View.SubView(offset, source.Length).CopyFromCPU(_stream, ref MemoryMarshal.GetReference(source), source.Length);
    }

    public override void Download(Span<T> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        if (!destination.IsEmpty)
            View.SubView(offset, destination.Length).CopyToCPU(_stream, ref MemoryMarshal.GetReference(destination), destination.Length);
    }

    public override void Dispose() => _memory.Dispose();
}
