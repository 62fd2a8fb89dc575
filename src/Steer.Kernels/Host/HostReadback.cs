namespace Steer.Kernels.Host;

/// <summary>An array: what a host device wrote is there at once.</summary>
internal sealed class HostReadback<T>(int length) : Readback<T>
    where T : unmanaged
{
    private readonly T[] _data = new T[length];

    /// <inheritdoc/>
    public override ReadOnlySpan<T> Data => _data;

    /// <inheritdoc/>
    public override void Request(DeviceBuffer<T> source, int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _data.Length);
        source.Download(_data.AsSpan(0, count));
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
    }
}
