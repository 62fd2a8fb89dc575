using System.Collections.Concurrent;
using System.Numerics.Tensors;
using Steer.Kernels;

namespace Steer.Runtime.Checkpoints;

/// <summary>Column scales of DoRA (Liu et al., arXiv 2402.09353).</summary>
internal static class Dora
{
    private const int RowsPerTask = 64;

    /// <summary>magnitude / ||W + scale * B A|| for each output column, the norm taken over the inputs.</summary>
    /// <param name="weight">W [rows, k].</param>
    /// <param name="a">lora_A [rank, k].</param>
    /// <param name="b">lora_B [rows, rank], in its stored order.</param>
    /// <param name="magnitude">[rows], in its stored order.</param>
    /// <param name="rowMap">Stored row of each row of W; null where they are the same.</param>
    /// <param name="scale">alpha / rank, or what stands for it.</param>
    public static float[] ColumnScales(WeightMatrix weight, float[] a, float[] b, float[] magnitude, int[]? rowMap, float scale)
    {
        int columns = weight.Columns;
        int rank = a.Length / columns;
        var scales = new float[weight.Rows];
        Parallel.ForEach(Partitioner.Create(0, weight.Rows, RowsPerTask), range =>
        {
            var sum = new float[columns];
            for (int row = range.Item1; row < range.Item2; row++)
            {
                int stored = rowMap is null ? row : rowMap[row];
                weight.ReadRow(row, sum);
                for (int i = 0; i < rank; i++)
                    TensorPrimitives.MultiplyAdd(a.AsSpan(i * columns, columns), scale * b[stored * rank + i], sum, sum);
                scales[row] = magnitude[stored] / TensorPrimitives.Norm<float>(sum);
            }
        });
        return scales;
    }
}
