namespace Steer.Kernels;

/// <summary>A one-dimensional array in a device's memory, zero when allocated.</summary>
/// <typeparam name="T">An unmanaged element type.</typeparam>
public abstract class DeviceBuffer<T> : IDisposable
    where T : unmanaged
{
    private protected DeviceBuffer(long length) => Length = length;

    /// <summary>Elements in the buffer.</summary>
    public long Length { get; }

    /// <summary>Copies <paramref name="source"/> to the elements from <paramref name="offset"/> on, in order with the kernels around it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie inside the buffer.</exception>
    public abstract void Upload(ReadOnlySpan<T> source, long offset = 0);

    /// <summary>Copies elements from <paramref name="offset"/> on to <paramref name="destination"/>, after every kernel queued before it.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie inside the buffer.</exception>
    public abstract void Download(Span<T> destination, long offset = 0);

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Throws unless [offset, offset + count) lies inside the buffer.</summary>
    private protected void CheckRange(long offset, long count)
    {
        if (offset < 0 || count < 0 || offset > Length - count)
            throw new ArgumentOutOfRangeException(nameof(offset), $"Range [{offset}, {offset + count}) is outside a buffer of {Length}.");
    }
}
