using Steer.Runtime.Evaluation;

namespace Steer.Runtime.Tests.Evaluation;

/// <summary>The fitted model fulfils the conditions of the minimum, which is the only one: the loss is strictly convex in the weights.</summary>
public sealed class LogisticRegressionTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void The_gradient_is_zero(int classes)
    {
        var random = new Random(classes);
        const int rows = 300, dimensions = 6;
        int[] labels = [.. Enumerable.Range(0, rows).Select(_ => random.Next(classes))];
        double[] values = [.. Enumerable.Range(0, rows * dimensions).Select(i => random.NextDouble() + (i % dimensions == labels[i / dimensions] ? 1 : 0))];
        var (features, _) = DenseFeatures.Standardised(new EmbeddingMatrix(values, dimensions), new EmbeddingMatrix(values, dimensions));
        var model = LogisticRegression.Fit(features, labels, classes);

        // Intercepts are free, so the residuals of each class add up to 0; a weight is minus the sum of its residuals times its feature.
        int outputs = classes == 2 ? 1 : classes;
        for (int o = 0; o < outputs; o++)
        {
            double residuals = 0;
            var weights = new double[dimensions];
            for (int row = 0; row < rows; row++)
            {
                double residual = Probability(model, features, row, o, outputs) - (labels[row] == (outputs == 1 ? 1 : o) ? 1 : 0);
                residuals += residual;
                features.AddScaled(row, -residual, weights);
            }

            Assert.Equal(0, residuals, 1e-4);
            var logits = new double[outputs];
            var unit = new double[outputs];
            for (int d = 0; d < dimensions; d++)
            {
                // The weight itself, read off by the difference of two rows that differ in one feature.
                var probe = new DenseFeatures(new EmbeddingMatrix([.. new double[dimensions], .. Enumerable.Range(0, dimensions).Select(i => i == d ? 1.0 : 0)], dimensions));
                model.Logits(probe, 0, logits);
                model.Logits(probe, 1, unit);
                Assert.Equal(weights[d], unit[o] - logits[o], 1e-4);
            }
        }

        Assert.True(Enumerable.Range(0, rows).Count(r => model.Predict(features, r) == labels[r]) > rows * 0.7);
    }

    [Fact]
    public void Area_under_the_curve_is_the_share_of_pairs_in_order()
    {
        Assert.Equal(1, RocCurve.Area([1, 2, 3, 4], [false, false, true, true]));
        Assert.Equal(0.5, RocCurve.Area([7, 7, 7], [false, true, false]));
        Assert.Equal(2.5 / 4, RocCurve.Area([1, 2, 2, 3], [true, false, true, false]) + 0.5);
        Assert.Null(RocCurve.Area([1, 2], [true, true]));
    }

    private static double Probability(LogisticRegression model, DenseFeatures features, int row, int output, int outputs)
    {
        var logits = new double[outputs];
        model.Logits(features, row, logits);
        return outputs == 1 ? 1 / (1 + Math.Exp(-logits[0])) : Math.Exp(logits[output]) / logits.Sum(Math.Exp);
    }
}
