using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>Widens blocks of an int8 or int4 panel to the float32 panel that they stand for, for products that take exact activations.</summary>
internal static unsafe class BlockWidener<TVector, TBlocks>
    where TVector : struct, ISimdVector<TVector>
    where TBlocks : struct, IBlocks
{
    /// <summary>Writes a float32 panel.</summary>
    /// <param name="block">First block.</param>
    /// <param name="blocks">Blocks.</param>
    /// <param name="to">[32 * blocks][32].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(byte* block, int blocks, float* to)
    {
        const int Half = HostWeight.PanelWidth / 2;
        for (; blocks > 0; blocks--, block += TBlocks.Bytes, to += BlockQuantizer.BlockSize * HostWeight.PanelWidth)
        {
            for (int column = 0; column < Half; column += TVector.Count)
            {
                byte* scales = block + (column * sizeof(uint));
                Widen(block, column, false, TVector.LoadBF16(scales, 16), TVector.LoadBF16(scales + BlockLayout.ScaleBytes, 16), to + column);
                Widen(block, column, true, TVector.LoadBF16(scales, 0), TVector.LoadBF16(scales + BlockLayout.ScaleBytes, 0), to + Half + column);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(byte* block, int column, bool second, TVector scale, TVector minimum, float* to)
    {
        var zero = TBlocks.HasMinimum ? minimum : scale * TVector.Broadcast(-BlockLayout.Int8Offset);
        for (int group = 0; group < BlockLayout.Groups; group++, to += 4 * HostWeight.PanelWidth)
        {
            TVector.MultiplyAdd(TVector.ToSingle(TBlocks.One<TVector>(block, group, 0, column, second)), scale, zero).Store(to);
            TVector.MultiplyAdd(TVector.ToSingle(TBlocks.One<TVector>(block, group, 1, column, second)), scale, zero)
                .Store(to + HostWeight.PanelWidth);
            TVector.MultiplyAdd(TVector.ToSingle(TBlocks.One<TVector>(block, group, 2, column, second)), scale, zero)
                .Store(to + (2 * HostWeight.PanelWidth));
            TVector.MultiplyAdd(TVector.ToSingle(TBlocks.One<TVector>(block, group, 3, column, second)), scale, zero)
                .Store(to + (3 * HostWeight.PanelWidth));
        }
    }
}
