using ILGPU;
using ILGPU.Runtime;

namespace Steer.Kernels.Gpu;

/// <summary>A buffer in the memory of an ILGPU accelerator.</summary>
internal sealed class IlgpuBuffer<T> : DeviceBuffer<T>
    where T : unmanaged
{
    private readonly IlgpuDevice _device;
    private readonly ArenaPiece _piece;

    /// <summary>Takes over <paramref name="piece"/>, which may be longer: a view of nothing has no address.</summary>
    public IlgpuBuffer(IlgpuDevice device, ArenaPiece piece, long length)
        : base(length)
    {
        _device = device;
        _piece = piece;
        View = piece.View<T>().SubView(0, length);
    }

    /// <summary>All elements.</summary>
    public ArrayView<T> View { get; }

    /// <summary>Memory taken, in bytes.</summary>
    public long Bytes => _piece.Bytes;

    public override void Upload(ReadOnlySpan<T> source, long offset = 0)
    {
        CheckRange(offset, source.Length);
        if (!source.IsEmpty)
            _device.Upload(source, View.SubView(offset, source.Length));
    }

    public override void Download(Span<T> destination, long offset = 0)
    {
        CheckRange(offset, destination.Length);
        if (!destination.IsEmpty)
            _device.Download(View.SubView(offset, destination.Length), destination);
    }

    public override void Dispose() => _piece.Dispose();
}
