using System.Numerics.Tensors;

namespace Steer.Runtime.Evaluation;

/// <summary>Embeddings as features, each column less its mean and divided by its standard deviation (by n) over the training rows.</summary>
internal sealed class DenseFeatures(EmbeddingMatrix rows) : IFeatures
{
    public int Rows => rows.Rows;

    public int Dimensions => rows.Dimensions;

    /// <summary>Standardises training and test rows by the training rows; a column that is constant there is only shifted.</summary>
    public static (DenseFeatures Train, DenseFeatures Test) Standardised(EmbeddingMatrix train, EmbeddingMatrix test)
    {
        double[] mean = train.Mean(), deviation = new double[train.Dimensions];
        EmbeddingMatrix centred = SymmetricProduct.Centred(train, mean);
        for (int row = 0; row < centred.Rows; row++)
            TensorPrimitives.MultiplyAdd(centred.Row(row), centred.Row(row), deviation, deviation);
        for (int d = 0; d < deviation.Length; d++)
        {
            double value = Math.Sqrt(deviation[d] / train.Rows);
            deviation[d] = value > 1e-12 * Math.Abs(mean[d]) ? value : 1;
        }

        return (new DenseFeatures(Divided(centred, deviation)), new DenseFeatures(Divided(SymmetricProduct.Centred(test, mean), deviation)));
    }

    public double Dot(int row, ReadOnlySpan<double> weights) => TensorPrimitives.Dot(rows.Row(row), weights);

    public void AddScaled(int row, double scale, Span<double> sum) => TensorPrimitives.MultiplyAdd(rows.Row(row), scale, sum, sum);

    private static EmbeddingMatrix Divided(EmbeddingMatrix x, double[] deviation)
    {
        var values = new double[x.Values.Length];
        for (int row = 0; row < x.Rows; row++)
            TensorPrimitives.Divide(x.Row(row), deviation, values.AsSpan(row * x.Dimensions, x.Dimensions));
        return new EmbeddingMatrix(values, x.Dimensions);
    }
}
