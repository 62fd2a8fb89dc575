using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>
/// Blocks of 32 numbers. Where a byte holds two, its lower half belongs to the first sixteen numbers and its upper half to the other sixteen.
/// </summary>
internal static class SmallBlocks
{
    private static Vector128<byte> LowHalf => Vector128.Create((byte)0x0F);

    // The levels of IQ4_NL, and the 16 floats of E2M1 doubled.
    private static Vector128<sbyte> UnevenLevels =>
        Vector128.Create(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

    private static Vector128<sbyte> DoubledE2M1 => Vector128.Create(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

    /// <summary>d, 16 bytes: d * (q - 8).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q4_0(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        Vector128<byte> q = BlockDecoder.Load16(block[2..]);
        BlockDecoder.Write16((q & LowHalf).AsSByte() - Vector128.Create((sbyte)8), d, 0, numbers);
        BlockDecoder.Write16((q >> 4).AsSByte() - Vector128.Create((sbyte)8), d, 0, numbers[16..]);
    }

    /// <summary>d, m, 16 bytes: d * q + m.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q4_1(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block), m = BlockDecoder.Half16(block[2..]);
        Vector128<byte> q = BlockDecoder.Load16(block[4..]);
        BlockDecoder.Write16((q & LowHalf).AsSByte(), d, m, numbers);
        BlockDecoder.Write16((q >> 4).AsSByte(), d, m, numbers[16..]);
    }

    /// <summary>d, a fifth bit for each number, 16 bytes: d * (q - 16).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q5_0(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        Vector128<byte> q = BlockDecoder.Load16(block[6..]);
        Vector128<sbyte> first = ((q & LowHalf) | FifthBits(block[2..])).AsSByte(), second = ((q >> 4) | FifthBits(block[4..])).AsSByte();
        BlockDecoder.Write16(first - Vector128.Create((sbyte)16), d, 0, numbers);
        BlockDecoder.Write16(second - Vector128.Create((sbyte)16), d, 0, numbers[16..]);
    }

    /// <summary>d, m, a fifth bit for each number, 16 bytes: d * q + m.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q5_1(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block), m = BlockDecoder.Half16(block[2..]);
        Vector128<byte> q = BlockDecoder.Load16(block[8..]);
        BlockDecoder.Write16(((q & LowHalf) | FifthBits(block[4..])).AsSByte(), d, m, numbers);
        BlockDecoder.Write16(((q >> 4) | FifthBits(block[6..])).AsSByte(), d, m, numbers[16..]);
    }

    /// <summary>d, 32 signed bytes: d * q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q8_0(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        BlockDecoder.Write16(BlockDecoder.Load16(block[2..]).AsSByte(), d, 0, numbers);
        BlockDecoder.Write16(BlockDecoder.Load16(block[18..]).AsSByte(), d, 0, numbers[16..]);
    }

    /// <summary>d, 16 bytes: d * level[q].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ4_NL(ReadOnlySpan<byte> block, Span<float> numbers) => Uneven(BlockDecoder.Half16(block), block[2..], numbers);

    /// <summary>An exponent e, 16 bytes: 2^(e - 127) * E2M1[q].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MXFP4(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        // Half of 2^(e - 127), because the levels are doubled; below 2^-126 that is no normal number.
        uint e = block[0];
        float d = BitConverter.UInt32BitsToSingle(e < 2 ? 0x00200000u << (int)e : (e - 1) << 23);
        Vector128<byte> q = BlockDecoder.Load16(block[1..]);
        BlockDecoder.Write16(Vector128.Shuffle(DoubledE2M1, (q & LowHalf).AsSByte()), d, 0, numbers);
        BlockDecoder.Write16(Vector128.Shuffle(DoubledE2M1, (q >> 4).AsSByte()), d, 0, numbers[16..]);
    }

    /// <summary>32 numbers d * level[q] of 16 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Uneven(float d, ReadOnlySpan<byte> q, Span<float> numbers)
    {
        Vector128<byte> bytes = BlockDecoder.Load16(q);
        BlockDecoder.Write16(Vector128.Shuffle(UnevenLevels, (bytes & LowHalf).AsSByte()), d, 0, numbers);
        BlockDecoder.Write16(Vector128.Shuffle(UnevenLevels, (bytes >> 4).AsSByte()), d, 0, numbers[16..]);
    }

    // Bit i of two bytes becomes the fifth bit of byte i.
    private static Vector128<byte> FifthBits(ReadOnlySpan<byte> bits)
    {
        Vector128<byte> places = Vector128.Create((byte)1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
        Vector128<byte> spread = Vector128.Create(Vector64.Create(bits[0]), Vector64.Create(bits[1]));
        return Vector128.Equals(spread & places, places) & Vector128.Create((byte)0x10);
    }
}
