namespace Steer.Kernels;

/// <summary>What one owner takes from a device, given back together: by the owner, or where a later part cannot be had.</summary>
/// <param name="device">Whose memory.</param>
public sealed class DeviceMemory(Device device) : IDisposable
{
    private readonly Stack<IDisposable> _parts = [];

    /// <summary>Takes a part; where that fails, gives back all that were taken before.</summary>
    public T Take<T>(Func<T> make)
        where T : IDisposable
    {
        try
        {
            T part = make();
            _parts.Push(part);
            return part;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Takes zeroed memory; where there is no room, gives back all that was taken before.</summary>
    /// <exception cref="OutOfMemoryException">The device has not that much.</exception>
    public DeviceBuffer<T> Allocate<T>(long length)
        where T : unmanaged => Take(() => device.Allocate<T>(length));

    /// <summary>Gives all parts back, the last first.</summary>
    public void Dispose()
    {
        while (_parts.TryPop(out IDisposable? part))
            part.Dispose();
    }
}
