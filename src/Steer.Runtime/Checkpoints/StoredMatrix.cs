using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>Rows of a stored tensor [.., columns], from some row on or in another order.</summary>
internal sealed class StoredMatrix : WeightMatrix
{
    private readonly StoredTensor _tensor;
    private readonly int _firstRow;
    private readonly int[]? _rowMap;

    /// <summary>All rows of a matrix, or those from <paramref name="firstRow"/> on.</summary>
    public StoredMatrix(StoredTensor tensor, int rows, int columns, int firstRow = 0)
        : base(rows, columns)
    {
        _tensor = tensor;
        _firstRow = firstRow;
    }

    /// <summary>Row i is the stored row <paramref name="rowMap"/>[i].</summary>
    public StoredMatrix(StoredTensor tensor, int columns, int[] rowMap)
        : base(rowMap.Length, columns)
    {
        _tensor = tensor;
        _rowMap = rowMap;
    }

    /// <inheritdoc/>
    public override DType DefaultType => _tensor.DefaultType;

    /// <inheritdoc/>
    public override void ReadRow(int row, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        long stored = _rowMap is null ? _firstRow + row : _rowMap[row];
        _tensor.Read(stored * Columns, destination[..Columns]);
    }
}
