using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// A tile of 8-bit activations and weights in blocks: rows x 32 columns. Each block's products are summed as integers, exactly; then, block by
/// block in ascending order,
/// <code>
/// y = fma(sum of q_x q_w, scale_w * scale_x, y)
/// y = fma(scale_x * sum of q_x, minimum_w, y)          int4 alone
/// </code>
/// The instructions that portable code has multiply pairs of 16-bit integers: bytes of even and of odd k take turns.
/// </summary>
internal static unsafe class BlockTile<TVector, TRows, TBlocks>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, ITileRows<TVector>
    where TBlocks : struct, IBlocks
{
    /// <summary>As <see cref="Tile{TVector, TRows, TWeights}.Run"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    [SkipLocalsInit]
    public static void Run(TileArgs* args)
    {
        const int Half = HostWeight.PanelWidth / 2;
        // Rows of y may lie in the same few lines of a cache: sums change block by block in memory of their own.
        float* floats = stackalloc float[2 * TRows.Count * TVector.Count];
        for (int column = 0; column < Half; column += TVector.Count)
        {
            nint first = args->Column + column, second = first + Half;
            TRows sums = default;
            if (args->Carry)
                sums.Load(args->Y, first, second);
            sums.StoreTo(floats);

            byte* block = args->Panel;
            int* x = (int*)args->X;
            for (int left = args->K; left > 0; left -= BlockQuantizer.BlockSize)
            {
                float* scale = (float*)x + (RowCodes.ShortScale * TRows.Count);
                if (TBlocks.HasMinimum)
                    sums = default;
                else
                    sums.StartIntegers((int*)scale + TRows.Count);
                for (int group = 0; group < BlockLayout.Groups; group++)
                {
                    sums.MultiplyAddPairs(
                        x, TBlocks.Even<TVector>(block, group, column, false), TBlocks.Even<TVector>(block, group, column, true));
                    sums.MultiplyAddPairs(
                        x + (BlockLayout.Groups * TRows.Count), TBlocks.Odd<TVector>(block, group, column, false),
                        TBlocks.Odd<TVector>(block, group, column, true));
                    x += TRows.Count;
                }

                byte* scales = block + (column * sizeof(uint));
                sums.AddIntegersTo(floats, scale, TVector.LoadBF16(scales, 16), TVector.LoadBF16(scales, 0));
                if (TBlocks.HasMinimum)
                {
                    byte* minima = scales + BlockLayout.ScaleBytes;
                    TRows.AddTo(floats, scale + (2 * TRows.Count), TVector.LoadBF16(minima, 16), TVector.LoadBF16(minima, 0));
                }
                block += TBlocks.Bytes;
                x = (int*)scale + (RowCodes.BlockTail * TRows.Count);
            }

            sums.LoadFrom(floats);
            if (args->Bias is not null)
                sums.Add(TVector.Load(args->Bias + column), TVector.Load(args->Bias + column + Half));
            sums.Store(args->Y, first, second);
        }
    }
}
