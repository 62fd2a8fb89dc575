namespace Steer.Kernels.Host;

/// <summary>RMSNorm and LayerNorm over groups of columns.</summary>
internal static unsafe class NormKernel
{
    public static void Run(in HostMatrix x, NormWeight weight, float* scale, float* bias, in HostMatrix y)
    {
        int size = weight.GroupSize;
        for (int row = 0; row < x.Rows; row++)
        {
            for (int start = 0; start < x.Columns; start += size)
            {
                float* from = x.Row(row) + start, to = y.Row(row) + start;
                float mean = 0, squares = 0;
                if (weight.Kind == NormKind.Layer)
                {
                    for (int i = 0; i < size; i++)
                        mean += from[i];
                    mean /= size;
                }
                for (int i = 0; i < size; i++)
                    squares += (from[i] - mean) * (from[i] - mean);
                float inverse = 1 / MathF.Sqrt((squares / size) + weight.Epsilon);
                for (int i = 0; i < size; i++)
                    to[i] = ((from[i] - mean) * inverse * scale[start + i]) + (bias is null ? 0 : bias[start + i]);
            }
        }
    }
}
