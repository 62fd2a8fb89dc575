namespace Steer.Kernels.Host;

/// <summary>Puts rows into the order in which a tile reads them.</summary>
internal static unsafe class RowPacker
{
    /// <summary>Packs rows, except where a single row is in a tile's order as it is.</summary>
    /// <returns>The numbers in tile order: <paramref name="memory"/> [k][count], or the row.</returns>
    public static float* InTileOrder(float** rows, int count, int k, float* memory)
    {
        if (count == 1)
            return *rows;
        Pack(rows, count, k, memory);
        return memory;
    }

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
