namespace Steer.Kernels.Host;

/// <summary>
/// A <see cref="Tensor"/> in living host memory, as kernels read it; <see cref="Shapes"/> has checked that it lies inside its buffer.
/// </summary>
internal readonly unsafe struct HostMatrix
{
    private HostMatrix(float* data, int rows, int columns, nint stride)
    {
        Data = data;
        Rows = rows;
        Columns = columns;
        Stride = stride;
    }

    /// <summary>Row 0, column 0.</summary>
    public readonly float* Data;

    /// <summary>Rows.</summary>
    public readonly int Rows;

    /// <summary>Columns.</summary>
    public readonly int Columns;

    /// <summary>Elements between the starts of two rows.</summary>
    public readonly nint Stride;

    /// <summary>First element of a row.</summary>
    public float* Row(int row) => Data + (row * Stride);

    /// <summary>The memory behind a view.</summary>
    /// <exception cref="ArgumentException">It is another device's.</exception>
    /// <exception cref="ObjectDisposedException">It was given back.</exception>
    public static HostMatrix Of(Tensor tensor) => new(Pointer(tensor.Buffer) + tensor.Offset, tensor.Rows, tensor.Columns, tensor.Stride);

    /// <summary>The memory of a buffer.</summary>
    /// <exception cref="ArgumentException">It is another device's.</exception>
    /// <exception cref="ObjectDisposedException">It was given back.</exception>
    public static T* Pointer<T>(DeviceBuffer<T> buffer)
        where T : unmanaged
    {
        if (buffer is not HostBuffer<T> host)
            throw new ArgumentException("The buffer is not in the memory of a host device.", nameof(buffer));
        return host.Data;
    }

    /// <summary>The memory of a buffer, or null where there is none.</summary>
    public static T* PointerOrNull<T>(DeviceBuffer<T>? buffer)
        where T : unmanaged => buffer is null ? null : Pointer(buffer);
}
