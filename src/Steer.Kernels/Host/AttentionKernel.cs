namespace Steer.Kernels.Host;

/// <summary>softmax(q k^T) v over the paged cache.</summary>
internal static unsafe class AttentionKernel
{
    public static void Run(
        in HostMatrix q, HostKvCache cache, int layer, ForwardBatch batch, in AttentionParams p, float* slopes, in HostMatrix y)
    {
        var shape = cache.Shape;
        int d = shape.HeadDim, heads = q.Columns / d, share = heads / shape.NumKvHeads;
        int* positions = HostMatrix.Pointer(batch.Positions, nameof(batch));
        int* contexts = HostMatrix.Pointer(batch.RowContext, nameof(batch));
        int* tables = HostMatrix.Pointer(batch.BlockTables, nameof(batch));
        for (int row = 0; row < q.Rows; row++)
        {
            int last = positions[row];
            int first = p.Window > 0 ? Math.Max(0, last - p.Window + 1) : 0;
            int* table = tables + ((long)contexts[row] * batch.BlockTableStride);
            var scores = new float[last - first + 1];
            for (int h = 0; h < heads; h++)
            {
                float* query = q.Row(row) + (h * d);
                float max = float.NegativeInfinity;
                for (int t = first; t <= last; t++)
                {
                    float* key = cache.Keys(layer, h / share) + (table[t / 16] * cache.KeyBlock * shape.NumKvHeads) + (t % 16);
                    float s = 0;
                    for (int i = 0; i < d; i++)
                        s = MathF.FusedMultiplyAdd(query[i], key[i * 16], s);
                    s *= p.Scale;
                    if (slopes is not null)
                        s += slopes[h] * t;
                    if (p.SoftCap > 0)
                        s = p.SoftCap * MathF.Tanh(s / p.SoftCap);
                    scores[t - first] = s;
                    max = MathF.Max(max, s);
                }
                float sum = 0;
                for (int t = 0; t < scores.Length; t++)
                    sum += scores[t] = MathF.Exp(scores[t] - max);
                float* to = y.Row(row) + (h * d);
                new Span<float>(to, d).Clear();
                for (int t = first; t <= last; t++)
                {
                    float* value = cache.Values(layer, h / share) + (table[t / 16] * cache.ValueBlock * shape.NumKvHeads) + (t % 16 * cache.ValueStride);
                    for (int i = 0; i < d; i++)
                        to[i] = MathF.FusedMultiplyAdd(scores[t - first], value[i], to[i]);
                }
                for (int i = 0; i < d; i++)
                    to[i] /= sum;
            }
        }
    }
}
