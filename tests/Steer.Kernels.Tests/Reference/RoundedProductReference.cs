namespace Steer.Kernels.Tests.Reference;

/// <summary>
/// Products that round their activations, as the CPU device defines them: the same operations in the same order, number by number. bfloat16: for each
/// pair of k one fused multiply-add for the odd k and then one for the even. int8 and int4: integer sums of a block, then fused
/// multiply-adds block by block.
/// </summary>
internal static class RoundedProductReference
{
    public static Matrix Run(Matrix x, Matrix weight, DType type)
    {
        var y = new Matrix(x.Rows, weight.Rows);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int c = 0; c < weight.Rows; c++)
                y[r, c] = type == DType.BF16 ? Pairs(x.Row(r), weight.Row(c)) : Blocks(x.Row(r), weight.Row(c), type);
        }

        return y;
    }

    /// <summary>Activations as a product takes them.</summary>
    public static Matrix Activations(Matrix x, DType type)
    {
        if (type == DType.BF16)
            return x.RoundedTo(DType.BF16);
        var rounded = new Matrix(x.Rows, x.Columns);
        for (int r = 0; r < x.Rows; r++)
        {
            for (int start = 0; start < x.Columns; start += BlockQuantizer.BlockSize)
            {
                ReadOnlySpan<float> block = Block(x.Row(r), start);
                Span<sbyte> q = new sbyte[block.Length];
                float scale = BlockQuantizer.Activations(block, q);
                for (int i = 0; i < q.Length; i++)
                    rounded[r, start + i] = q[i] * scale;
            }
        }

        return rounded;
    }

    private static float Pairs(ReadOnlySpan<float> x, ReadOnlySpan<float> weight)
    {
        float sum = 0;
        for (int k = 0; k < x.Length; k += 2)
        {
            if (k + 1 < x.Length)
                sum = MathF.FusedMultiplyAdd(BF16(x[k + 1]), BF16(weight[k + 1]), sum);
            sum = MathF.FusedMultiplyAdd(BF16(x[k]), BF16(weight[k]), sum);
        }

        return sum;
    }

    private static float Blocks(ReadOnlySpan<float> x, ReadOnlySpan<float> weight, DType type)
    {
        float sum = 0;
        for (int start = 0; start < x.Length; start += BlockQuantizer.BlockSize)
        {
            ReadOnlySpan<float> xs = Block(x, start), ws = Block(weight, start);
            var activations = new sbyte[xs.Length];
            float scale = BlockQuantizer.Activations(xs, activations);
            if (type == DType.Int8)
            {
                var q = new sbyte[xs.Length];
                float weightScale = DTypeExtensions.WidenBF16(BlockQuantizer.Int8(ws, q));
                int products = q.Zip(activations, (w, a) => w * a).Sum();
                sum = MathF.FusedMultiplyAdd(products, weightScale * scale, sum);
            }
            else
            {
                var q = new byte[xs.Length];
                (ushort weightScale, ushort minimum) = BlockQuantizer.Int4(ws, q);
                int products = q.Zip(activations, (w, a) => w * a).Sum();
                sum = MathF.FusedMultiplyAdd(products, DTypeExtensions.WidenBF16(weightScale) * scale, sum);
                sum = MathF.FusedMultiplyAdd(scale * activations.Sum(a => a), DTypeExtensions.WidenBF16(minimum), sum);
            }
        }

        return sum;
    }

    private static ReadOnlySpan<float> Block(ReadOnlySpan<float> row, int start) =>
        row.Slice(start, Math.Min(BlockQuantizer.BlockSize, row.Length - start));

    private static float BF16(float value) => DTypeExtensions.WidenBF16(DTypeExtensions.NarrowBF16(value));
}
