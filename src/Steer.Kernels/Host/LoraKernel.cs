namespace Steer.Kernels.Host;

/// <summary>y = y * scale + (x A^T) B^T + bias on the columns of each segment.</summary>
internal static unsafe class LoraKernel
{
    public static void Run(in HostMatrix x, int rowStart, int rowCount, HostLoraWeight weight, in HostMatrix y)
    {
        int ranks = weight.A?.N ?? 0;
        float[] t = new float[ranks], a = new float[weight.K];
        for (int row = rowStart; row < rowStart + rowCount; row++)
        {
            for (int r = 0; r < ranks; r++)
            {
                weight.A!.ReadRow(r, a);
                float sum = 0;
                for (int i = 0; i < a.Length; i++)
                    sum = MathF.FusedMultiplyAdd(a[i], x.Row(row)[i], sum);
                t[r] = sum;
            }
            foreach (var s in weight.Segments)
            {
                float[] b = new float[s.Rank];
                for (int c = 0; c < s.Columns; c++)
                {
                    float delta = 0;
                    s.B?.ReadRow(c, b);
                    for (int r = 0; r < s.Rank; r++)
                        delta = MathF.FusedMultiplyAdd(b[r], t[s.RankStart + r], delta);
                    float* to = y.Row(row) + s.ColumnStart + c;
                    if (s.ColumnScale is not null)
                        *to *= s.ColumnScale.Data[c];
                    *to += delta;
                    if (s.ColumnBias is not null)
                        *to += s.ColumnBias.Data[c];
                }
            }
        }
    }
}
