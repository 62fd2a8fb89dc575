using Steer.Kernels;
using Steer.Runtime.Checkpoints;
using Steer.Runtime.Models;

namespace Steer.Runtime.Tests.Checkpoints;

/// <summary>
/// A decoder's forward pass in float64, written from the definitions of <see cref="DecoderConfig"/> and <see cref="DecoderTensors"/> with no
/// kernel, cache or batch: what a checkpoint means, to hold the mapping of families and adapters against stored logits.
/// </summary>
internal sealed class ReferenceDecoder(DecoderConfig config, DecoderTensors tensors, Adapter? adapter = null)
{
    private readonly Dictionary<LinearTensors, double[][]> matrices = new(ReferenceEqualityComparer.Instance);

    /// <summary>Logits [tokens, vocab] of one sequence.</summary>
    public double[][] Logits(IReadOnlyList<long> ids)
    {
        double[][] x = [.. ids.Select(id => Scaled(Matrix(tensors.Embedding)[id], config.EmbeddingScale))];
        if (tensors.PositionEmbedding is not null)
            x = [.. x.Select((row, p) => Sum(row, Matrix(tensors.PositionEmbedding)[p]))];
        if (tensors.EmbeddingNorm is not null)
            x = Norm(x, tensors.EmbeddingNorm);
        for (int i = 0; i < config.NumLayers; i++)
            x = Layer(x, config.Layers[i], tensors.Layers[i]);
        x = Norm(x, tensors.FinalNorm);
        return [.. Linear(x, tensors.LmHead).Select(row => row.Select(z => Cap(z * config.LogitScale, config.LogitSoftCap)).ToArray())];
    }

    private double[][] Layer(double[][] x, LayerConfig layer, LayerTensors weights)
    {
        double[][] input = Norm(x, weights.AttentionNorm);
        double[][] attention = Norm(Linear(Attend(input, layer, weights), weights.Output), weights.PostAttentionNorm);
        double[][] afterAttention = Add(x, attention);
        double[][] mlpInput = config.ParallelResidual
            ? (weights.MlpNorm is null ? input : Norm(x, weights.MlpNorm))
            : Norm(afterAttention, weights.MlpNorm);
        double[][] mlp = layer.IsMoe
            ? [.. mlpInput.Select(row => Mixture(row, weights))]
            : FeedForward(mlpInput, weights.Up!, weights.Down!);
        return Add(afterAttention, Norm(mlp, weights.PostMlpNorm));
    }

    private double[][] Attend(double[][] x, LayerConfig layer, LayerTensors weights)
    {
        int headDim = config.HeadDim, queryColumns = config.NumHeads * headDim, keyColumns = config.NumKvHeads * headDim;
        double[][] qkv = Linear(x, weights.Qkv);
        double[][] q = Norm([.. qkv.Select(row => row[..queryColumns])], weights.QueryNorm);
        double[][] k = Norm([.. qkv.Select(row => row[queryColumns..(queryColumns + keyColumns)])], weights.KeyNorm);
        double[][] v = [.. qkv.Select(row => row[(queryColumns + keyColumns)..])];
        if (layer.Rope >= 0)
        {
            q = [.. q.Select((row, p) => Rotate(row, p, config.Ropes[layer.Rope]))];
            k = [.. k.Select((row, p) => Rotate(row, p, config.Ropes[layer.Rope]))];
        }

        var y = new double[x.Length][];
        for (int p = 0; p < x.Length; p++)
        {
            y[p] = new double[queryColumns];
            int first = layer.Window > 0 ? Math.Max(0, p - layer.Window + 1) : 0;
            for (int h = 0; h < config.NumHeads; h++)
            {
                int kv = h / (config.NumHeads / config.NumKvHeads) * headDim;
                double[] scores = [.. Enumerable.Range(first, p - first + 1).Select(j =>
                    Cap(Dot(q[p].AsSpan(h * headDim, headDim), k[j].AsSpan(kv, headDim)) * layer.AttentionScale, config.AttentionSoftCap)
                    + (config.AlibiSlopes?[h] ?? 0) * j)];
                double[] shares = Softmax(scores);
                for (int j = first; j <= p; j++)
                {
                    for (int c = 0; c < headDim; c++)
                        y[p][h * headDim + c] += shares[j - first] * v[j][kv + c];
                }
            }
        }

        return y;
    }

    private double[] Rotate(double[] row, int position, RopeConfig rope)
    {
        var y = (double[])row.Clone();
        int half = rope.InverseFrequencies.Length;
        for (int head = 0; head < row.Length; head += config.HeadDim)
        {
            for (int i = 0; i < half; i++)
            {
                int a = head + (config.RopeLayout == RopeLayout.Half ? i : 2 * i);
                int b = config.RopeLayout == RopeLayout.Half ? a + half : a + 1;
                (double sin, double cos) = Math.SinCos(position * (double)rope.InverseFrequencies[i]);
                y[a] = rope.Scale * (row[a] * cos - row[b] * sin);
                y[b] = rope.Scale * (row[b] * cos + row[a] * sin);
            }
        }

        return y;
    }

    private double[] Mixture(double[] x, LayerTensors weights)
    {
        double[] shares = Softmax(Linear([x], weights.Router!)[0]);
        int[] best = [.. Enumerable.Range(0, shares.Length).OrderByDescending(e => shares[e]).Take(config.ExpertsPerToken)];
        double total = config.NormaliseExpertWeights ? best.Sum(e => shares[e]) : 1;
        var y = new double[x.Length];
        foreach (int e in best)
            y = Sum(y, Scaled(FeedForward([x], weights.ExpertUp[e], weights.ExpertDown[e])[0], shares[e] / total));
        return y;
    }

    private double[][] FeedForward(double[][] x, LinearTensors up, LinearTensors down) => Linear([.. Linear(x, up).Select(row =>
    {
        if (!config.GatedMlp)
            return row.Select(Act).ToArray();
        int width = row.Length / 2;
        return [.. row[..width].Zip(row[width..], (gate, value) => Act(gate) * value)];
    })], down);

    private double Act(double x) => config.Activation switch
    {
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.GeluTanh => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
        Activation.Relu => Math.Max(x, 0),
        _ => x * NormalDistribution(x),
    };

    // Phi(x) = 1/2 + phi(x) (x + x^3/3 + x^5/15 + ...), which converges for every x; beyond 8 it is 0 or 1 in float64.
    private static double NormalDistribution(double x)
    {
        if (Math.Abs(x) > 8)
            return x > 0 ? 1 : 0;
        double term = x, sum = x;
        for (int n = 1; Math.Abs(term) > 1e-17; n++)
            sum += term *= x * x / (2 * n + 1);
        return 0.5 + Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI) * sum;
    }

    private double[][] Linear(double[][] x, LinearTensors linear)
    {
        double[][] weight = Matrix(linear);
        double[] bias = [.. linear.Parts.SelectMany(part => part.Bias ?? new float[part.Weight.Rows])];
        double[][] y = [.. x.Select(row => weight.Select((w, i) => Dot(w, row) + bias[i]).ToArray())];
        foreach (LoraSegment segment in adapter?.SegmentsFor(linear) ?? [])
        {
            double[][]? a = segment.A is null ? null : Rows(segment.A);
            double[][]? b = segment.B is null ? null : Rows(segment.B);
            for (int r = 0; r < y.Length; r++)
            {
                double[] down = a is null ? [] : [.. a.Select(row => Dot(row, x[r]))];
                for (int c = 0; c < segment.Columns; c++)
                {
                    ref double z = ref y[r][segment.ColumnStart + c];
                    z = z * (segment.ColumnScale?[c] ?? 1) + (b is null ? 0 : Dot(b[c], down)) + (segment.ColumnBias?[c] ?? 0);
                }
            }
        }

        return y;
    }

    private static double[][] Norm(double[][] x, NormTensors? norm) => norm is null ? x : [.. x.Select(row =>
    {
        var y = new double[row.Length];
        for (int start = 0; start < row.Length; start += norm.GroupSize)
        {
            double[] group = row[start..(start + norm.GroupSize)];
            double mean = norm.Kind == NormKind.Layer ? group.Average() : 0;
            double root = Math.Sqrt(group.Average(z => (z - mean) * (z - mean)) + norm.Epsilon);
            for (int i = 0; i < group.Length; i++)
                y[start + i] = (group[i] - mean) / root * norm.Weight[start + i] + (norm.Bias?[start + i] ?? 0);
        }

        return y;
    })];

    private double[][] Matrix(LinearTensors linear)
    {
        if (!matrices.TryGetValue(linear, out double[][]? rows))
            matrices.Add(linear, rows = [.. linear.Parts.SelectMany(part => Rows(part.Weight))]);
        return rows;
    }

    private static double[][] Rows(WeightMatrix matrix)
    {
        var row = new float[matrix.Columns];
        return [.. Enumerable.Range(0, matrix.Rows).Select(i =>
        {
            matrix.ReadRow(i, row);
            return Array.ConvertAll(row, x => (double)x);
        })];
    }

    private double[][] Add(double[][] x, double[][] delta) => [.. x.Zip(delta, (a, b) => Sum(a, Scaled(b, config.ResidualScale)))];

    private static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static double[] Scaled(double[] x, double scale) => Array.ConvertAll(x, z => z * scale);

    private static double Cap(double x, double cap) => cap > 0 ? cap * Math.Tanh(x / cap) : x;

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    private static double[] Softmax(double[] scores)
    {
        double[] powers = Array.ConvertAll(scores, s => Math.Exp(s - scores.Max()));
        return Scaled(powers, 1 / powers.Sum());
    }
}
