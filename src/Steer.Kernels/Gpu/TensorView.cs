using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>A <see cref="Tensor"/> as kernels see it.</summary>
internal readonly struct TensorView(Tensor tensor)
{
    private readonly ArrayView<float> _data = IlgpuDevice.View(tensor.Buffer).SubView(tensor.Offset);
    private readonly int _stride = tensor.Stride;
    private readonly int _aligned = tensor.Offset % 4 == 0 && tensor.Stride % 4 == 0 ? 1 : 0;

    /// <summary>Rows.</summary>
    public readonly int Rows = tensor.Rows;

    /// <summary>Columns.</summary>
    public readonly int Columns = tensor.Columns;

    /// <summary>One number.</summary>
    public ref float this[int row, int column] => ref _data[((long)row * _stride) + column];

    /// <summary>Whether rows begin at a multiple of 16 bytes.</summary>
    public bool IsAligned => _aligned != 0;

    /// <summary>The numbers from the first of a row on.</summary>
    public ArrayView<float> Row(int row) => _data.SubView((long)row * _stride);

    /// <summary>The numbers from a column of a row on.</summary>
    public ArrayView<float> From(int row, int column) => _data.SubView(((long)row * _stride) + column);

    /// <summary>
    /// Four numbers from a column on that is a multiple of four, zeros past the last; of a tensor that no thread of this launch writes.
    /// </summary>
    public Floats4 Load4(int row, int column)
    {
        long start = ((long)row * _stride) + column;
        if (_aligned != 0 && column + 4 <= Columns)
            return Floats4.Load(_data, start);

        return new Floats4
        {
            X = column < Columns ? _data[start] : 0,
            Y = column + 1 < Columns ? _data[start + 1] : 0,
            Z = column + 2 < Columns ? _data[start + 2] : 0,
            W = column + 3 < Columns ? _data[start + 3] : 0,
        };
    }

    /// <summary>As <see cref="Load4"/>, of rows that are aligned and have four numbers there: a single load with nothing to decide.</summary>
    public Floats4 LoadAligned4(int row, int column) => Floats4.Load(_data, ((long)row * _stride) + column);
}
