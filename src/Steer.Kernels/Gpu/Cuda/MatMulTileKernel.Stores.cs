using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>How sums are written.</content>
internal static partial class MatMulTileKernel
{
    // Writes 32 rows of 32 columns.
    private static void StoreBlock(Parameters p, ArrayView<uint> shared, int row, int column, Sums8 sums)
    {
        if (!p.IsPlain)
        {
            StoreChosen(p, shared, row, column, sums);
            return;
        }

        // Eight lanes fill 32 bytes of a row, which is what memory takes at once.
        int g = Warps.Lane >> 2, t = (Warps.Lane & 3) * 2;
        column += g;
        row += t;
        Sums4 left = Bias(p, column), right = Bias(p, column + WeightLayout.TileRows);
        Store(p, row, column, sums.A + left, sums.B + right);
        Store(p, row + 8, column, sums.C + left, sums.D + right);
        Store(p, row + 16, column, sums.E + left, sums.F + right);
        Store(p, row + 24, column, sums.G + left, sums.H + right);
    }

    // What is added to a tile's sums, of columns g and g + 8.
    private static Sums4 Bias(Parameters p, int column)
    {
        Sums4 bias = default;
        if (p.Product.HasBias != 0 && p.Product.Splits == 1)
        {
            bias.X = bias.Y = column < p.Columns ? p.Product.Bias[column] : 0;
            bias.Z = bias.W = column + 8 < p.Columns ? p.Product.Bias[column + 8] : 0;
        }

        return bias;
    }

    // Two rows of two tiles of columns.
    private static void Store(Parameters p, int row, int column, Sums4 left, Sums4 right)
    {
        if (row < p.Product.RowCount)
            Store(p.Row(row), column, p.Columns, left.X, left.Z, right.X, right.Z);
        if (row + 1 < p.Product.RowCount)
            Store(p.Row(row + 1), column, p.Columns, left.Y, left.W, right.Y, right.W);
    }

    private static void Store(ArrayView<float> row, int column, int columns, float first, float second, float third, float fourth)
    {
        if (column >= columns)
            return;
        ArrayView<float> own = row.SubView(column);
        own[0] = first;
        if (column + 24 < columns)
        {
            own[8] = second;
            own[16] = third;
            own[24] = fourth;
            return;
        }

        if (column + 8 < columns)
            own[8] = second;
        if (column + 16 < columns)
            own[16] = third;
    }

    // Sums of which some rows are wanted, or some more than once, go by way of shared memory, so that a warp writes 32 neighbours at a time.
    private static void StoreChosen(Parameters p, ArrayView<uint> shared, int row, int column, Sums8 sums)
    {
        // With rows so far apart, the lanes of a warp write to different banks.
        const int Stride = 36;
        int lane = Warps.Lane, start = Warps.Index * 32 * Stride, g = lane >> 2, t = (lane & 3) * 2;
        Group.Barrier();
        TileMemory.Put(shared, start + (t * Stride) + g, Stride, sums.A);
        TileMemory.Put(shared, start + (t * Stride) + g + 16, Stride, sums.B);
        TileMemory.Put(shared, start + ((t + 8) * Stride) + g, Stride, sums.C);
        TileMemory.Put(shared, start + ((t + 8) * Stride) + g + 16, Stride, sums.D);
        TileMemory.Put(shared, start + ((t + 16) * Stride) + g, Stride, sums.E);
        TileMemory.Put(shared, start + ((t + 16) * Stride) + g + 16, Stride, sums.F);
        TileMemory.Put(shared, start + ((t + 24) * Stride) + g, Stride, sums.G);
        TileMemory.Put(shared, start + ((t + 24) * Stride) + g + 16, Stride, sums.H);
        Group.Barrier();
        int end = Math.Min(row + 32, p.Product.RowCount);
        for (int place = start + lane; row < end; row++, place += Stride)
            p.Product.Store(row, column + lane, Interop.IntAsFloat(shared[place]));
    }
}
