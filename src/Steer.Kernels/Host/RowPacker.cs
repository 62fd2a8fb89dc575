namespace Steer.Kernels.Host;

/// <summary>Turns rows into the order in which a tile reads them.</summary>
internal static unsafe class RowPacker
{
    /// <summary>packed[i][r] = rows[r][i] for i in 0 .. k - 1.</summary>
    public static void Pack(float** rows, int count, int k, float* packed)
    {
        for (int row = 0; row < count; row++)
        {
            float* from = rows[row], to = packed + row;
            for (int i = 0; i < k; i++, to += count)
                *to = from[i];
        }
    }
}
