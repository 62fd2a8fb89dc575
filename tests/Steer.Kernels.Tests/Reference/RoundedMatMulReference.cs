namespace Steer.Kernels.Tests.Reference;

/// <summary>y = x W^T + bias with x and W rounded as <see cref="WeightFormat"/> says, the products then exact.</summary>
internal static class RoundedMatMulReference
{
    public static Expected Run(Matrix x, Matrix weight, DType type, float[]? bias = null)
    {
        double[][] rows = [.. Enumerable.Range(0, x.Rows).Select(r => Activations(x.Row(r), type))];
        double[][] columns = [.. Enumerable.Range(0, weight.Rows).Select(r => Weights(weight.Row(r), type))];
        var y = new Expected(x.Rows, weight.Rows);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < weight.Rows; c++)
            {
                double sum = 0, magnitude = 0;
                for (int i = 0; i < x.Columns; i++)
                {
                    sum += rows[r][i] * columns[c][i];
                    magnitude += Math.Abs(rows[r][i] * columns[c][i]);
                }

                // k additions in any order, four roundings for the scales of a block, one of the bias. A minimum and what is added to it may be up to
                // 16 times a weight, which is what int4's sum is made of.
                double parts = type == DType.Int4 ? 16 * magnitude : magnitude;
                y.Set(r, c, sum + (bias?[c] ?? 0), ((x.Columns + 5) * Expected.Unit * parts) + (Expected.Unit * Math.Abs(sum)));
            }
        }

        return y;
    }

    private static double[] Activations(ReadOnlySpan<float> row, DType type)
    {
        var rounded = new double[row.Length];
        if (type == DType.BF16)
        {
            for (int i = 0; i < row.Length; i++)
                rounded[i] = DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(row[i]));
            return rounded;
        }

        var q = new sbyte[BlockQuantizer.BlockSize];
        for (int start = 0; start < row.Length; start += BlockQuantizer.BlockSize)
        {
            ReadOnlySpan<float> block = row[start..Math.Min(row.Length, start + BlockQuantizer.BlockSize)];
            double scale = BlockQuantizer.Activations(block, q);
            for (int i = 0; i < block.Length; i++)
                rounded[start + i] = q[i] * scale;
        }

        return rounded;
    }

    private static double[] Weights(ReadOnlySpan<float> row, DType type)
    {
        var rounded = new double[row.Length];
        for (int start = 0; start < row.Length; start += BlockQuantizer.BlockSize)
        {
            ReadOnlySpan<float> block = row[start..Math.Min(row.Length, start + BlockQuantizer.BlockSize)];
            for (int i = 0; i < block.Length && type == DType.BF16; i++)
                rounded[start + i] = DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(block[i]));
            if (type == DType.Int8)
            {
                var q = new sbyte[BlockQuantizer.BlockSize];
                double scale = DTypeExtensions.WidenBF16(BlockQuantizer.Int8(block, q));
                for (int i = 0; i < block.Length; i++)
                    rounded[start + i] = q[i] * scale;
            }
            else if (type == DType.Int4)
            {
                var q = new byte[BlockQuantizer.BlockSize];
                (ushort scale, ushort minimum) = BlockQuantizer.Int4(block, q);
                for (int i = 0; i < block.Length; i++)
                    rounded[start + i] = DTypeExtensions.WidenBF16(minimum) + ((double)q[i] * DTypeExtensions.WidenBF16(scale));
            }
        }

        return rounded;
    }
}
