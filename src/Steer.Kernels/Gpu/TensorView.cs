using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>A <see cref="Tensor"/> as kernels see it.</summary>
internal readonly struct TensorView(Tensor tensor)
{
    private readonly ArrayView<float> _data = IlgpuDevice.View(tensor.Buffer).SubView(tensor.Offset);
    private readonly int _stride = tensor.Stride;

    /// <summary>Rows.</summary>
    public readonly int Rows = tensor.Rows;

    /// <summary>Columns.</summary>
    public readonly int Columns = tensor.Columns;

    /// <summary>One number.</summary>
    public ref float this[int row, int column] => ref _data[((long)row * _stride) + column];
}
