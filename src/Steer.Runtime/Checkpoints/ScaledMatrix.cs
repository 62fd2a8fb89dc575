using System.Numerics.Tensors;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>A stored matrix with its rows in another order, each multiplied by a number.</summary>
internal sealed class ScaledMatrix(StoredTensor tensor, int columns, int[]? rowMap, float[] scales) : WeightMatrix(scales.Length, columns)
{
    /// <inheritdoc/>
    public override void ReadRow(int row, Span<float> destination)
    {
        Span<float> numbers = destination[..Columns];
        tensor.Read((long)(rowMap is null ? row : rowMap[row]) * Columns, numbers);
        TensorPrimitives.Multiply(numbers, scales[row], numbers);
    }
}
