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
        for (int row = 0; row < Rows; row++)
        {
            for (int start = 0; start < Columns; start += BlockQuantizer.BlockSize)
            {
                int count = Math.Min(BlockQuantizer.BlockSize, Columns - start);
                Round(Row(row).Slice(start, count), type, rounded.Row(row).Slice(start, count));
            }
        }

        return rounded;
    }

    private static void Round(ReadOnlySpan<float> block, DType type, Span<float> rounded)
    {
        Span<sbyte> signed = stackalloc sbyte[block.Length];
        Span<byte> unsigned = stackalloc byte[block.Length];
        float scale = 0, minimum = 0;
        if (type == DType.Int8)
        {
            scale = DTypeExtensions.WidenBF16(BlockQuantizer.Int8(block, signed));
        }
        else if (type == DType.Int4)
        {
            (ushort scaleBits, ushort minimumBits) = BlockQuantizer.Int4(block, unsigned);
            (scale, minimum) = (DTypeExtensions.WidenBF16(scaleBits), DTypeExtensions.WidenBF16(minimumBits));
        }

        for (int i = 0; i < block.Length; i++)
        {
            rounded[i] = type switch
            {
                DType.F32 => block[i],
                DType.F16 => (float)(Half)block[i],
                DType.BF16 => DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(block[i])),
                DType.Int8 => signed[i] * scale,
                _ => (float)(minimum + ((double)unsigned[i] * scale)),
            };
        }
    }
}

/// <summary>A matrix as a checkpoint's tensor.</summary>
public sealed class MatrixWeight(Matrix matrix) : WeightMatrix(matrix.Rows, matrix.Columns)
{
    public override void ReadRow(int row, Span<float> destination) => matrix.Row(row).CopyTo(destination);
}
