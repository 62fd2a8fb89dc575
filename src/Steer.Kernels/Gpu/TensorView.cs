using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>A <see cref="Tensor"/> as kernels see it.</summary>
internal readonly struct TensorView(Tensor tensor)
{
    private readonly ArrayView<float> data = IlgpuDevice.View(tensor.Buffer).SubView(tensor.Offset);
    private readonly int stride = tensor.Stride;

    /// <summary>Rows.</summary>
    public readonly int Rows = tensor.Rows;

    /// <summary>Columns.</summary>
    public readonly int Columns = tensor.Columns;

    /// <summary>One number.</summary>
    public ref float this[int row, int column] => ref data[((long)row * stride) + column];
}
