namespace Steer.Kernels.Tests.Reference;

/// <summary>softmax(scores) values, one query head of one row at a time.</summary>
internal static class AttentionReference
{
    /// <summary>Row r of q sees the first positions[r] + 1 rows of its context's keys and values [positions, kv heads * head dim].</summary>
    public static Expected Run(
        Matrix q, IReadOnlyList<(int Context, int Position)> rows, IReadOnlyList<(Matrix Keys, Matrix Values)> contexts, int headDim,
        AttentionCase options)
    {
        var y = new Expected(q.Rows, q.Columns);
        for (int r = 0; r < q.Rows; r++)
        {
            (Matrix keys, Matrix values) = contexts[rows[r].Context];
            for (int head = 0; head < q.Columns / headDim; head++)
                Head(q, r, head, rows[r].Position, keys, values, headDim, options, y);
        }

        return y;
    }

    private static void Head(
        Matrix q, int row, int head, int position, Matrix keys, Matrix values, int headDim, AttentionCase options, Expected y)
    {
        int queriesPerKey = q.Columns / keys.Columns;
        int column = head * headDim, kvColumn = head / queriesPerKey * headDim;
        int first = options.Window > 0 ? Math.Max(0, position - options.Window + 1) : 0;
        int count = position - first + 1;
        var scores = new double[count];
        var errors = new double[count];
        for (int j = 0; j < count; j++)
        {
            (double dot, double error) = MatMulReference.Dot(
                q.Row(row).Slice(column, headDim), keys.Row(first + j).Slice(kvColumn, headDim));
            double shift = options.Alibi is null ? 0 : options.Alibi[head] * (double)(first + j);
            scores[j] = (dot * options.Scale) + shift;
            errors[j] = (error * options.Scale) + (2 * Expected.Unit * (Math.Abs(dot * options.Scale) + Math.Abs(shift)));
            if (options.SoftCap > 0)
            {
                scores[j] = options.SoftCap * Math.Tanh(scores[j] / options.SoftCap);
                errors[j] += Expected.Transcendental * options.SoftCap;
            }
        }

        double maximum = scores.Max();
        double[] weights = [.. scores.Select(s => Math.Exp(s - maximum))];
        double sum = weights.Sum();
        for (int d = 0; d < headDim; d++)
        {
            double value = 0, magnitude = 0;
            for (int j = 0; j < count; j++)
            {
                value += weights[j] / sum * values[first + j, kvColumn + d];
                magnitude += weights[j] / sum * Math.Abs(values[first + j, kvColumn + d]);
            }

            // A score that is off by e moves the result by p e (v - y); the distance to the maximum and the exponential round as well.
            // Two sums over the context follow, the second divided by the first, perhaps rescaled on the way: 3 roundings a position.
            double error = 0;
            for (int j = 0; j < count; j++)
            {
                double weightError = errors[j] + (Expected.Unit * Math.Abs(scores[j] - maximum)) + Expected.Transcendental + options.WeightRounding;
                error += weights[j] / sum * weightError * (Math.Abs(values[first + j, kvColumn + d]) + Math.Abs(value));
            }

            y.Set(row, column + d, value, error + (((3 * count) + 4) * Expected.Unit * magnitude));
        }
    }
}

/// <summary>What a layer's attention does beside the plain formula.</summary>
/// <param name="Scale">Multiplies q k^T.</param>
/// <param name="Window">Positions that a row sees; 0 for all.</param>
/// <param name="SoftCap">Cap of the scores; 0 for none.</param>
/// <param name="Alibi">Slope of each head.</param>
/// <param name="WeightRounding">Relative error of a softmax weight that is rounded before it meets the values.</param>
internal sealed record AttentionCase(float Scale, int Window = 0, float SoftCap = 0, float[]? Alibi = null, double WeightRounding = 0);
