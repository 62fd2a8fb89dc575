using System.Numerics.Tensors;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.Optimization;

namespace Steer.Runtime.Evaluation;

/// <summary>Rows of features, dense or sparse.</summary>
internal interface IFeatures
{
    int Rows { get; }

    int Dimensions { get; }

    /// <summary>The dot product of a row with weights [dimensions].</summary>
    double Dot(int row, ReadOnlySpan<double> weights);

    /// <summary>sum += scale * row.</summary>
    void AddScaled(int row, double scale, Span<double> sum);
}

/// <summary>
/// Multinomial logistic regression: softmax of W x + b, fitted by the smallest sum of negative log-likelihoods + |W|^2 / 2 (C = 1, intercepts free),
/// by L-BFGS. Two classes take one row of weights, as the binary model does.
/// </summary>
internal sealed class LogisticRegression
{
    private const int MostParts = 16;
    private const int RowsPerPart = 128;
    private readonly int _dimensions;
    private readonly int _outputs;
    private readonly double[] _weights;

    private LogisticRegression(int dimensions, int outputs, double[] weights)
    {
        _dimensions = dimensions;
        _outputs = outputs;
        _weights = weights;
    }

    /// <summary>Fits the model.</summary>
    /// <param name="features">Training rows.</param>
    /// <param name="classes">Class of each row.</param>
    /// <param name="count">Classes, at least 2.</param>
    public static LogisticRegression Fit(IFeatures features, int[] classes, int count)
    {
        int outputs = count == 2 ? 1 : count;
        var loss = new Loss(features, classes, outputs);
        var minimizer = new LimitedMemoryBfgsMinimizer(
            gradientTolerance: 1e-6, parameterTolerance: 1e-12, functionProgressTolerance: 1e-14, memory: 10, maximumIterations: 1000);
        try
        {
            minimizer.FindMinimum(ObjectiveFunction.Gradient(loss.At), Vector<double>.Build.Dense(outputs * (features.Dimensions + 1)));
        }
        catch (OptimizationException)
        {
            // The line search gives up where rounding hides any progress: the best point so far is the minimum.
        }

        return new LogisticRegression(features.Dimensions, outputs, loss.Best);
    }

    /// <summary>Logits of each class for a row; two classes: of the second alone.</summary>
    public void Logits(IFeatures features, int row, Span<double> logits) => Logits(features, row, _weights, _dimensions, logits);

    /// <summary>Logit of the second of two classes.</summary>
    public double Score(IFeatures features, int row)
    {
        double logit = 0;
        Logits(features, row, new Span<double>(ref logit));
        return logit;
    }

    /// <summary>The class that is most likely.</summary>
    public int Predict(IFeatures features, int row)
    {
        if (_outputs == 1)
            return Score(features, row) > 0 ? 1 : 0;
        var logits = new double[_outputs];
        Logits(features, row, logits);
        return TensorPrimitives.IndexOfMax<double>(logits);
    }

    private static void Logits(IFeatures features, int row, double[] weights, int dimensions, Span<double> logits)
    {
        for (int o = 0; o < logits.Length; o++)
        {
            ReadOnlySpan<double> own = weights.AsSpan(o * (dimensions + 1), dimensions + 1);
            logits[o] = features.Dot(row, own[..dimensions]) + own[dimensions];
        }
    }

    /// <summary>
    /// The function to minimise and its gradient, over parts of the rows that are the same for any number of threads; keeps the best point.
    /// </summary>
    private sealed class Loss(IFeatures features, int[] classes, int outputs)
    {
        private readonly int _width = features.Dimensions + 1;
        private readonly double[][] _gradients =
            [.. Enumerable.Range(0, Math.Clamp(features.Rows / RowsPerPart, 1, MostParts)).Select(
                _ => new double[outputs * (features.Dimensions + 1)])];

        private double _least = double.PositiveInfinity;

        public double[] Best { get; private set; } = new double[outputs * (features.Dimensions + 1)];

        public (double Value, Vector<double> Gradient) At(Vector<double> point)
        {
            double[] weights = point.AsArray() ?? point.ToArray();
            var losses = new double[_gradients.Length];
            Parallel.For(0, losses.Length, part => losses[part] = AddPart(part, weights));
            double value = losses.Sum();
            var gradient = new double[weights.Length];
            foreach (double[] part in _gradients)
                TensorPrimitives.Add(gradient, part, gradient);
            for (int o = 0; o < outputs; o++)
            {
                ReadOnlySpan<double> own = weights.AsSpan(o * _width, _width - 1);
                value += TensorPrimitives.SumOfSquares(own) / 2;
                Span<double> slope = gradient.AsSpan(o * _width, _width - 1);
                TensorPrimitives.Add(slope, own, slope);
            }

            if (value < _least)
                (_least, Best) = (value, (double[])weights.Clone());
            return (value, Vector<double>.Build.Dense(gradient));
        }

        private double AddPart(int part, double[] weights)
        {
            double[] gradient = _gradients[part];
            Array.Clear(gradient);
            Span<double> logits = stackalloc double[outputs];
            double loss = 0;
            for (int row = part; row < features.Rows; row += _gradients.Length)
            {
                Logits(features, row, weights, _width - 1, logits);
                loss += outputs == 1 ? Binary(logits, classes[row]) : Softmax(logits, classes[row]);
                for (int o = 0; o < outputs; o++)
                {
                    Span<double> slope = gradient.AsSpan(o * _width, _width);
                    features.AddScaled(row, logits[o], slope[..^1]);
                    slope[^1] += logits[o];
                }
            }

            return loss;
        }

        /// <summary>The loss of a row; its logit becomes the slope.</summary>
        private static double Binary(Span<double> logits, int label)
        {
            double z = logits[0], tail = Math.Exp(-Math.Abs(z)), one = z >= 0 ? 1 / (1 + tail) : tail / (1 + tail);
            logits[0] = one - label;
            return Math.Max(z, 0) + double.LogP1(tail) - z * label;
        }

        private static double Softmax(Span<double> logits, int label)
        {
            double max = TensorPrimitives.Max<double>(logits), own = logits[label];
            TensorPrimitives.Subtract(logits, max, logits);
            TensorPrimitives.Exp<double>(logits, logits);
            double sum = TensorPrimitives.Sum<double>(logits);
            TensorPrimitives.Divide(logits, sum, logits);
            logits[label] -= 1;
            return Math.Log(sum) + max - own;
        }
    }
}
