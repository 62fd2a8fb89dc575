namespace Steer.Kernels;

/// <summary>
/// A float32 matrix in device memory: a view, not an owner. Row r, column c is element
/// <c>Offset + r * Stride + c</c> of <see cref="Buffer"/>.
/// </summary>
/// <param name="Buffer">The memory the view looks into.</param>
/// <param name="Offset">Element where row 0 begins.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="Columns">Number of columns.</param>
/// <param name="Stride">Elements between the starts of two rows; at least <paramref name="Columns"/>.</param>
public readonly record struct Tensor(DeviceBuffer<float> Buffer, long Offset, int Rows, int Columns, int Stride)
{
    /// <summary>A dense view of a whole buffer, or of its first <paramref name="rows"/> rows.</summary>
    public Tensor(DeviceBuffer<float> buffer, int rows, int columns)
        : this(buffer, 0, rows, columns, columns)
    {
    }

    /// <summary>Rows [start, start + count).</summary>
    public Tensor RowSlice(int start, int count) => this with { Offset = Offset + (long)start * Stride, Rows = count };

    /// <summary>Columns [start, start + count) of every row.</summary>
    public Tensor ColumnSlice(int start, int count) => this with { Offset = Offset + start, Columns = count };
}
