namespace Steer.Kernels.Host;

/// <summary>Routing of a sparse mixture of experts, and the weighted sum of what experts give.</summary>
internal static unsafe class MixtureKernel
{
    public static void Route(in HostMatrix logits, bool normalise, int* expertIds, in HostMatrix weights)
    {
        int count = logits.Columns, k = weights.Columns;
        var p = new float[count];
        for (int row = 0; row < logits.Rows; row++)
        {
            float* z = logits.Row(row);
            float max = float.NegativeInfinity, sum = 0;
            for (int e = 0; e < count; e++)
                max = MathF.Max(max, z[e]);
            for (int e = 0; e < count; e++)
                sum += p[e] = MathF.Exp(z[e] - max);
            float kept = 0;
            float* to = weights.Row(row);
            for (int j = 0; j < k; j++)
            {
                int best = 0;
                for (int e = 1; e < count; e++)
                {
                    if (p[e] > p[best])
                        best = e;
                }
                expertIds[(row * k) + j] = best;
                to[j] = p[best] / sum;
                kept += to[j];
                p[best] = -1;
            }
            for (int j = 0; j < k && normalise; j++)
                to[j] /= kept;
        }
    }

    public static void Combine(in HostMatrix x, in HostMatrix weights, in HostMatrix y)
    {
        int k = weights.Columns;
        for (int row = 0; row < y.Rows; row++)
        {
            float* to = y.Row(row);
            for (int i = 0; i < y.Columns; i++)
            {
                float sum = 0;
                for (int j = 0; j < k; j++)
                    sum = MathF.FusedMultiplyAdd(weights.Row(row)[j], x.Row((row * k) + j)[i], sum);
                to[i] = sum;
            }
        }
    }
}
