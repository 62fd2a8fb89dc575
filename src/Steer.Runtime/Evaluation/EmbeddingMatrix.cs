using System.Numerics.Tensors;

namespace Steer.Runtime.Evaluation;

/// <summary>Embeddings of texts [rows, dimensions], in float64.</summary>
public sealed class EmbeddingMatrix
{
    private readonly double[] _values;

    /// <summary>Takes the numbers row by row.</summary>
    /// <param name="values">[rows * dimensions].</param>
    /// <param name="dimensions">Width of an embedding.</param>
    /// <param name="name">Where they come from, as errors name it.</param>
    /// <exception cref="SteerException">A number is NaN or infinite.</exception>
    /// <exception cref="ArgumentException">The numbers are no multiple of the width.</exception>
    public EmbeddingMatrix(double[] values, int dimensions, string name = "Embeddings")
    {
        if (dimensions < 1 || values.Length % dimensions != 0)
            throw new ArgumentException($"{values.Length} numbers are no rows of {dimensions}.", nameof(values));
        int bad = Array.FindIndex(values, v => !double.IsFinite(v));
        if (bad >= 0)
            throw new SteerException($"{name}: the embedding of text {bad / dimensions + 1} holds NaN or infinity. Compute the embeddings again.");
        _values = values;
        Dimensions = dimensions;
    }

    /// <summary>Widens float32 embeddings; see the other constructor.</summary>
    public EmbeddingMatrix(ReadOnlySpan<float> values, int dimensions, string name = "Embeddings")
        : this(Widen(values), dimensions, name)
    {
    }

    /// <summary>Texts.</summary>
    public int Rows => _values.Length / Dimensions;

    /// <summary>Width of an embedding.</summary>
    public int Dimensions { get; }

    /// <summary>All numbers, row by row.</summary>
    public ReadOnlySpan<double> Values => _values;

    /// <summary>The embedding of a text.</summary>
    public ReadOnlySpan<double> Row(int row) => _values.AsSpan(row * Dimensions, Dimensions);

    /// <summary>These rows, in this order.</summary>
    public EmbeddingMatrix Select(IReadOnlyList<int> rows)
    {
        var values = new double[rows.Count * Dimensions];
        for (int i = 0; i < rows.Count; i++)
            Row(rows[i]).CopyTo(values.AsSpan(i * Dimensions));
        return new EmbeddingMatrix(values, Dimensions);
    }

    /// <summary>Rows of this matrix, then those of another of the same width.</summary>
    /// <exception cref="ArgumentException">The widths differ.</exception>
    public EmbeddingMatrix Above(EmbeddingMatrix below)
    {
        if (below.Dimensions != Dimensions)
            throw new ArgumentException($"Embeddings of {Dimensions} and of {below.Dimensions} dimensions do not go together.", nameof(below));
        return new EmbeddingMatrix([.. _values, .. below._values], Dimensions);
    }

    /// <summary>Every row divided by its length; a row of zeros stays.</summary>
    public EmbeddingMatrix Normalised()
    {
        var values = new double[_values.Length];
        for (int i = 0; i < Rows; i++)
        {
            double length = TensorPrimitives.Norm(Row(i));
            TensorPrimitives.Divide(Row(i), length > 0 ? length : 1, values.AsSpan(i * Dimensions, Dimensions));
        }

        return new EmbeddingMatrix(values, Dimensions);
    }

    /// <summary>Mean of the rows [dimensions].</summary>
    public double[] Mean()
    {
        var mean = new double[Dimensions];
        for (int i = 0; i < Rows; i++)
            TensorPrimitives.Add(mean, Row(i), mean);
        TensorPrimitives.Divide(mean, Rows, mean);
        return mean;
    }

    private static double[] Widen(ReadOnlySpan<float> values)
    {
        var wide = new double[values.Length];
        TensorPrimitives.ConvertTruncating(values, wide);
        return wide;
    }
}
