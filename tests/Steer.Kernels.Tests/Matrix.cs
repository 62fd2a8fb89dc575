namespace Steer.Kernels.Tests;

/// <summary>A matrix on the test's side, row by row.</summary>
public sealed class Matrix(int rows, int columns)
{
    public int Rows { get; } = rows;

    public int Columns { get; } = columns;

    public float[] Data { get; } = new float[rows * columns];

    public ref float this[int row, int column] => ref Data[(row * Columns) + column];

    /// <summary>Numbers of the normal distribution, the same for the same seed.</summary>
    public static Matrix Random(int seed, int rows, int columns, float scale = 1)
    {
        var random = new Random(seed);
        var matrix = new Matrix(rows, columns);
        for (int i = 0; i < matrix.Data.Length; i++)
        {
            double radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble()));
            matrix.Data[i] = (float)(scale * radius * Math.Cos(2 * Math.PI * random.NextDouble()));
        }

        return matrix;
    }

    /// <summary>A row vector.</summary>
    public static Matrix Of(params float[] numbers)
    {
        var matrix = new Matrix(1, numbers.Length);
        numbers.CopyTo(matrix.Data, 0);
        return matrix;
    }

    public Span<float> Row(int row) => Data.AsSpan(row * Columns, Columns);

    /// <summary>Rows [start, start + count) as a matrix of their own.</summary>
    public Matrix Slice(int start, int count)
    {
        var slice = new Matrix(count, Columns);
        Data.AsSpan(start * Columns, count * Columns).CopyTo(slice.Data);
        return slice;
    }

    /// <summary>The numbers as a weight of this type holds them.</summary>
    public Matrix RoundedTo(DType type)
    {
        var rounded = new Matrix(Rows, Columns);
        for (int i = 0; i < Data.Length; i++)
            rounded.Data[i] = type == DType.F32 ? Data[i] : DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(Data[i]));
        return rounded;
    }
}

/// <summary>A matrix as a checkpoint's tensor.</summary>
public sealed class MatrixWeight(Matrix matrix) : WeightMatrix(matrix.Rows, matrix.Columns)
{
    public override void ReadRow(int row, Span<float> destination) => matrix.Row(row).CopyTo(destination);
}
