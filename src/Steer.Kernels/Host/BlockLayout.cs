using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Steer.Kernels.Host;

/// <summary>
/// A block of 32 k x 32 columns of an int8 or int4 panel: 16 words of scales (bfloat16, column j in the lower half of word j and column 16 + j in the
/// upper), for int4 as many of minima, then the numbers in groups of four k. int8: 32 words a group, one for each column, byte i for k = i, holding
/// q + 128. int4: 16 words a group, the byte of column j in the lower halves of word j's bytes and that of column 16 + j in the upper.
/// </summary>
internal static unsafe class BlockLayout
{
    /// <summary>Groups of four k in a block.</summary>
    public const int Groups = BlockQuantizer.BlockSize / 4;

    /// <summary>Bytes of a block's scales, and of its minima.</summary>
    public const int ScaleBytes = HostWeight.PanelWidth * sizeof(ushort);

    /// <summary>Bytes of a group of int8.</summary>
    public const int Int8GroupBytes = 4 * HostWeight.PanelWidth;

    /// <summary>Bytes of a group of int4.</summary>
    public const int Int4GroupBytes = Int8GroupBytes / 2;

    /// <summary>Bytes of a block of int8.</summary>
    public const int Int8Bytes = ScaleBytes + (Groups * Int8GroupBytes);

    /// <summary>Bytes of a block of int4.</summary>
    public const int Int4Bytes = (2 * ScaleBytes) + (Groups * Int4GroupBytes);

    /// <summary>Added to int8 weights, so that they are unsigned.</summary>
    public const int Int8Offset = 128;

    // The highest bit of a byte turned adds the offset to a signed one.
    private const uint Int8Offsets = 0x01010101u * Int8Offset;

    private const int Half = HostWeight.PanelWidth / 2;

    /// <summary>Quantises numbers of one column and writes them.</summary>
    /// <exception cref="InvalidDataException">A number is not finite.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WriteInt8(byte* block, int column, ReadOnlySpan<float> values)
    {
        Span<sbyte> q = stackalloc sbyte[BlockQuantizer.BlockSize];
        q.Clear();
        Scale(block, column) = BlockQuantizer.Int8(values, q);
        byte* to = block + ScaleBytes + (4 * column);
        ReadOnlySpan<uint> groups = MemoryMarshal.Cast<sbyte, uint>(q);
        for (int group = 0; group < Groups; group++, to += Int8GroupBytes)
            *(uint*)to = groups[group] ^ Int8Offsets;
    }

    /// <summary>Quantises numbers of one column and writes them.</summary>
    /// <exception cref="InvalidDataException">A number is not finite.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void WriteInt4(byte* block, int column, ReadOnlySpan<float> values)
    {
        Span<byte> q = stackalloc byte[BlockQuantizer.BlockSize];
        q.Clear();
        (Scale(block, column), Scale(block + ScaleBytes, column)) = BlockQuantizer.Int4(values, q);
        byte* to = block + (2 * ScaleBytes) + (4 * (column % Half));
        int shift = column < Half ? 0 : 4;
        ReadOnlySpan<uint> groups = MemoryMarshal.Cast<byte, uint>(q);
        for (int group = 0; group < Groups; group++, to += Int4GroupBytes)
            *(uint*)to |= groups[group] << shift;
    }

    /// <summary>One number of an int8 block.</summary>
    public static float ReadInt8(byte* block, int column, int k)
    {
        int q = block[ScaleBytes + (k / 4 * Int8GroupBytes) + (4 * column) + (k % 4)] - Int8Offset;
        return q * DTypeExtensions.WidenBF16(Scale(block, column));
    }

    /// <summary>One number of an int4 block.</summary>
    public static float ReadInt4(byte* block, int column, int k)
    {
        int q = block[(2 * ScaleBytes) + (k / 4 * Int4GroupBytes) + (4 * (column % Half)) + (k % 4)];
        q = column < Half ? q & 15 : q >> 4;
        return MathF.FusedMultiplyAdd(
            q, DTypeExtensions.WidenBF16(Scale(block, column)), DTypeExtensions.WidenBF16(Scale(block + ScaleBytes, column)));
    }

    /// <summary>Place of a column's number among 32 halves of 16 words.</summary>
    private static ref ushort Scale(byte* scales, int column) =>
        ref ((ushort*)scales)[column < Half ? 2 * column : (2 * column) - HostWeight.PanelWidth + 1];
}

/// <summary>How portable code reads the numbers of a block.</summary>
internal unsafe interface IBlocks
{
    /// <summary>Bytes of a block.</summary>
    static abstract int Bytes { get; }

    /// <summary>Blocks have minima.</summary>
    static abstract bool HasMinimum { get; }

    /// <summary>The numbers of the even k of a group as pairs of 16-bit integers, from a column of the first 16 or the second on.</summary>
    static abstract TVector Even<TVector>(byte* block, int group, int column, bool second)
        where TVector : struct, ISimdVector<TVector>;

    /// <summary>The numbers of the odd k.</summary>
    static abstract TVector Odd<TVector>(byte* block, int group, int column, bool second)
        where TVector : struct, ISimdVector<TVector>;

    /// <summary>One k of a group as unsigned integers.</summary>
    static abstract TVector One<TVector>(byte* block, int group, int k, int column, bool second)
        where TVector : struct, ISimdVector<TVector>;
}

/// <summary>int8: unsigned, <see cref="BlockLayout.Int8Offset"/> above the numbers.</summary>
internal readonly unsafe struct Int8Blocks : IBlocks
{
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BlockLayout.Int8Bytes;
    }

    public static bool HasMinimum
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TVector>(byte* block, int group, int column, bool second)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBits(At(block, group, column, second), 0, 0x00FF00FF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TVector>(byte* block, int group, int column, bool second)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBits(At(block, group, column, second), 8, 0x00FF00FF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector One<TVector>(byte* block, int group, int k, int column, bool second)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBits(At(block, group, column, second), 8 * k, 0xFF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* At(byte* block, int group, int column, bool second) =>
        block + BlockLayout.ScaleBytes + (group * BlockLayout.Int8GroupBytes) + (4 * (second ? column + (HostWeight.PanelWidth / 2) : column));
}

/// <summary>int4.</summary>
internal readonly unsafe struct Int4Blocks : IBlocks
{
    public static int Bytes
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => BlockLayout.Int4Bytes;
    }

    public static bool HasMinimum
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Even<TVector>(byte* block, int group, int column, bool second)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBits(At(block, group, column), Shift(second), 0x000F000F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Odd<TVector>(byte* block, int group, int column, bool second)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBits(At(block, group, column), 8 + Shift(second), 0x000F000F);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector One<TVector>(byte* block, int group, int k, int column, bool second)
        where TVector : struct, ISimdVector<TVector> => TVector.LoadBits(At(block, group, column), (8 * k) + Shift(second), 0xF);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* At(byte* block, int group, int column) =>
        block + (2 * BlockLayout.ScaleBytes) + (group * BlockLayout.Int4GroupBytes) + (4 * column);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Shift(bool second) => second ? 4 : 0;
}
