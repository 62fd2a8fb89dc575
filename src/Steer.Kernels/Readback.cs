namespace Steer.Kernels;

/// <summary>Memory of the host to which a device copies results while the host does other things.</summary>
/// <typeparam name="T">An unmanaged element type.</typeparam>
public abstract class Readback<T> : IDisposable
    where T : unmanaged
{
    /// <summary>What was asked for; it is there after the next <see cref="Device.Synchronize"/>.</summary>
    public abstract ReadOnlySpan<T> Data { get; }

    /// <summary>Asks for the first <paramref name="count"/> elements of a buffer, as they are after every kernel queued so far.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are not so many, here or there.</exception>
    public abstract void Request(DeviceBuffer<T> source, int count);

    /// <inheritdoc/>
    public abstract void Dispose();
}
