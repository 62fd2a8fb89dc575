using System.Numerics.Tensors;

namespace Steer.Runtime.Evaluation;

/// <summary>Cosine similarities of embeddings. Rows are divided by their length once, after which a cosine is a dot product.</summary>
public static class CosineSimilarity
{
    /// <summary>Mean cosine of each synthetic row with all real rows: the dot product with the mean of the real rows.</summary>
    public static double[] ToReal(EmbeddingMatrix synthetic, EmbeddingMatrix real)
    {
        EmbeddingMatrix rows = synthetic.Normalised();
        double[] mean = real.Normalised().Mean();
        return [.. Enumerable.Range(0, rows.Rows).Select(i => TensorPrimitives.Dot<double>(rows.Row(i), mean))];
    }

    /// <summary>Mean cosine of two different rows of a set; at least two rows.</summary>
    public static double Within(EmbeddingMatrix set)
    {
        EmbeddingMatrix rows = set.Normalised();
        double[] mean = rows.Mean();

        // The sum over all pairs is |sum of rows|^2; a row with itself gives 1 (0 where it is all zeros).
        double all = TensorPrimitives.SumOfSquares<double>(mean) * rows.Rows * rows.Rows;
        return (all - TensorPrimitives.SumOfSquares(rows.Values)) / ((double)rows.Rows * (rows.Rows - 1));
    }

    /// <summary>Cosine of each synthetic row with the real row that is most like it.</summary>
    public static double[] ToNearestReal(EmbeddingMatrix synthetic, EmbeddingMatrix real)
    {
        const int Block = 64;
        EmbeddingMatrix rows = synthetic.Normalised(), others = real.Normalised();
        var nearest = new double[rows.Rows];
        Parallel.For(0, (rows.Rows + Block - 1) / Block, part =>
        {
            int start = part * Block, end = Math.Min(rows.Rows, start + Block);
            nearest.AsSpan(start, end - start).Fill(double.NegativeInfinity);
            for (int j0 = 0; j0 < others.Rows; j0 += Block)
            {
                for (int i = start; i < end; i++)
                {
                    for (int j = j0; j < Math.Min(others.Rows, j0 + Block); j++)
                        nearest[i] = Math.Max(nearest[i], TensorPrimitives.Dot(rows.Row(i), others.Row(j)));
                }
            }
        });
        return nearest;
    }
}
