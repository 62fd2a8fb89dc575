namespace Steer.Kernels.Tests.Reference;

/// <summary>The kernels of a mixture of experts.</summary>
internal static class MixtureReference
{
    /// <summary>Softmax, the k best of each row (lower index first where equal), perhaps divided by their sum.</summary>
    public static (int[] ExpertIds, Expected Weights) Route(Matrix logits, int k, bool normalise)
    {
        var ids = new int[logits.Rows * k];
        var weights = new Expected(logits.Rows, k);
        for (int r = 0; r < logits.Rows; r++)
        {
            double[] row = [.. logits.Row(r).ToArray().Select(l => (double)l)];
            double maximum = row.Max();
            double[] probabilities = [.. row.Select(l => Math.Exp(l - maximum))];
            int[] best = [.. Enumerable.Range(0, row.Length).OrderByDescending(e => row[e]).ThenBy(e => e).Take(k)];
            double sum = normalise ? best.Sum(e => probabilities[e]) : probabilities.Sum();
            for (int j = 0; j < k; j++)
            {
                ids[(r * k) + j] = best[j];
                double weight = probabilities[best[j]] / sum;
                // Each exponential has its own error and that of its rounded argument; numerator and sum have one each, the sum a rounding
                // for every term, perhaps twice (a softmax that is normalised afterwards).
                double relative = (Expected.Unit * (maximum - row[best[j]])) + (2 * Expected.Transcendental) + (2 * row.Length * Expected.Unit)
                    + (Expected.Unit * Enumerable.Range(0, row.Length).Sum(e => probabilities[e] * (maximum - row[e])) / sum);
                weights.Set(r, j, weight, relative * weight);
            }
        }

        return (ids, weights);
    }

    /// <summary>Row i is x[i / fanOut] times the weight of expert expertIds[i].</summary>
    public static Expected MatMul(Matrix x, IReadOnlyList<Matrix> experts, int[] expertIds, int fanOut)
    {
        var y = new Expected(expertIds.Length, experts[0].Rows);
        for (int i = 0; i < expertIds.Length; i++)
        {
            for (int c = 0; c < y.Columns; c++)
            {
                (double sum, double error) = MatMulReference.Dot(x.Row(i / fanOut), experts[expertIds[i]].Row(c));
                y.Set(i, c, sum, error);
            }
        }

        return y;
    }

    /// <summary>y[r] = sum of weights[r, j] x[r k + j]: a sum of k products.</summary>
    public static Expected Combine(Matrix x, Matrix weights)
    {
        var y = new Expected(weights.Rows, x.Columns);
        for (int r = 0; r < weights.Rows; r++)
        {
            for (int c = 0; c < x.Columns; c++)
            {
                double sum = 0, magnitude = 0;
                for (int j = 0; j < weights.Columns; j++)
                {
                    double term = (double)weights[r, j] * x[(r * weights.Columns) + j, c];
                    sum += term;
                    magnitude += Math.Abs(term);
                }

                y.Set(r, c, sum, (weights.Columns + 1) * Expected.Unit * magnitude);
            }
        }

        return y;
    }
}
