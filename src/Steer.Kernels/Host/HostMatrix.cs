namespace Steer.Kernels.Host;

/// <summary>A <see cref="Tensor"/> that was checked to lie inside living host memory, as kernels read it.</summary>
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
    public float* Row(int row) => Data + row * Stride;

    /// <summary>Checks a view.</summary>
    /// <exception cref="ArgumentException">It reaches outside its buffer, or the buffer is another device's.</exception>
    public static HostMatrix Of(Tensor tensor, string name)
    {
        var data = Pointer(tensor.Buffer, name);
        bool fits = tensor is { Offset: >= 0, Rows: >= 0, Columns: >= 0 } && tensor.Stride >= (tensor.Rows > 1 ? tensor.Columns : 0);
        if (fits && tensor.Rows > 0)
            fits = tensor.Offset + (long)(tensor.Rows - 1) * tensor.Stride + tensor.Columns <= tensor.Buffer.Length;
        if (!fits)
        {
            throw new ArgumentException(
                $"A view [{tensor.Rows}, {tensor.Columns}] with stride {tensor.Stride} at {tensor.Offset} is outside a buffer of {tensor.Buffer.Length}.", name);
        }
        return new HostMatrix(data + tensor.Offset, tensor.Rows, tensor.Columns, tensor.Stride);
    }

    /// <summary>The memory of a buffer of at least <paramref name="length"/> elements.</summary>
    /// <exception cref="ArgumentException">It is shorter, or another device's.</exception>
    public static T* Pointer<T>(DeviceBuffer<T> buffer, string name, long length = 0)
        where T : unmanaged
    {
        if (buffer is not HostBuffer<T> host)
            throw new ArgumentException("The buffer is not memory of a host device.", name);
        if (host.Length < length)
            throw new ArgumentException($"A buffer of {host.Length} elements is shorter than the {length} that are read.", name);
        return host.Data;
    }
}
