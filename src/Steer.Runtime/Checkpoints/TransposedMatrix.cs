using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>A matrix stored as [columns, rows], as GPT-2 stores its projections.</summary>
/// <remarks>
/// A row here is a column there. Rows are turned sixteen at a time, a cache line of the file, and kept until another block is asked
/// for, so reading all rows in order reads the file once.
/// </remarks>
internal sealed class TransposedMatrix(StoredTensor tensor, int rows, int columns) : WeightMatrix(rows, columns)
{
    private const int BlockRows = 16;

    // One block for each thread, whichever matrix it is of: blocks of all matrices of a model would be as large as the model.
    [ThreadStatic]
    private static Block? _lastBlock;

    private sealed record Block(TransposedMatrix Owner, int FirstRow, float[] Numbers);

    /// <inheritdoc/>
    public override DType DefaultType => tensor.DefaultType;

    /// <inheritdoc/>
    public override void ReadRow(int row, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, Rows);
        int firstRow = row - row % BlockRows;
        Block? block = _lastBlock;
        if (block is null || !ReferenceEquals(block.Owner, this) || block.FirstRow != firstRow)
            _lastBlock = block = ReadBlock(firstRow, block?.Numbers);
        block.Numbers.AsSpan((row - firstRow) * Columns, Columns).CopyTo(destination);
    }

    private Block ReadBlock(int firstRow, float[]? numbers)
    {
        if (numbers is null || numbers.Length < BlockRows * Columns)
            numbers = new float[BlockRows * Columns];
        Span<float> line = stackalloc float[Math.Min(BlockRows, Rows - firstRow)];
        for (int column = 0; column < Columns; column++)
        {
            tensor.Read((long)column * Rows + firstRow, line);
            for (int i = 0; i < line.Length; i++)
                numbers[i * Columns + column] = line[i];
        }

        return new Block(this, firstRow, numbers);
    }
}
