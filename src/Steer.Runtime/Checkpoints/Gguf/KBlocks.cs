using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Blocks of 256 numbers in groups of 16 or 32, whose scales are small whole numbers that count in units of the block's d.</summary>
internal static class KBlocks
{
    private static Vector128<byte> LowHalf => Vector128.Create((byte)0x0F);
    private static Vector128<byte> TwoBits => Vector128.Create((byte)3);

    /// <summary>16 bytes of 4-bit scales and minima, 64 bytes, d, dmin: d * scale * q - dmin * minimum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q2_K(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block[80..]), dmin = BlockDecoder.Half16(block[82..]);
        for (int group = 0; group < 16; group++)
        {
            // Each half of 128 numbers has 32 bytes; its first 32 numbers are their lowest two bits, and so on.
            Vector128<byte> bytes = BlockDecoder.Load16(block[(16 + group / 8 * 32 + group % 2 * 16)..]);
            Vector128<byte> q = (bytes >> (group % 8 / 2 * 2)) & TwoBits;
            byte scales = block[group];
            BlockDecoder.Write16(q.AsSByte(), d * (scales & 0xF), -(dmin * (scales >> 4)), numbers[(group * 16)..]);
        }
    }

    /// <summary>32 bytes of high bits, 64 bytes of low ones, 12 bytes of 6-bit scales, d: d * (scale - 32) * (q - 4).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q3_K(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block[108..]);
        ReadOnlySpan<byte> scales = block[96..108];
        for (int group = 0; group < 16; group++)
        {
            int low = group < 8 ? scales[group] & 0xF : scales[group - 8] >> 4;
            int scale = (low | ((scales[8 + group % 4] >> (group / 4 * 2) & 3) << 4)) - 32;
            Vector128<byte> bytes = BlockDecoder.Load16(block[(32 + group / 8 * 32 + group % 2 * 16)..]);
            Vector128<byte> q = (bytes >> (group % 8 / 2 * 2)) & TwoBits;
            Vector128<byte> highBit = Vector128.Create((byte)(1 << (group / 2)));
            Vector128<byte> high = Vector128.Equals(BlockDecoder.Load16(block[(group % 2 * 16)..]) & highBit, highBit);
            Vector128<sbyte> below = Vector128.AndNot(Vector128.Create((byte)4), high).AsSByte();
            BlockDecoder.Write16(q.AsSByte() - below, d * scale, 0, numbers[(group * 16)..]);
        }
    }

    /// <summary>d, dmin, 12 bytes of 6-bit scales and minima, 128 bytes: d * scale * q - dmin * minimum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q4_K(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block), dmin = BlockDecoder.Half16(block[2..]);
        for (int group = 0; group < 8; group++)
        {
            (int scale, int minimum) = ScaleAndMinimum(block[4..16], group);
            float factor = d * scale, offset = -(dmin * minimum);
            for (int half = 0; half < 2; half++)
            {
                Vector128<byte> bytes = BlockDecoder.Load16(block[(16 + group / 2 * 32 + half * 16)..]);
                Vector128<byte> q = group % 2 == 0 ? bytes & LowHalf : bytes >> 4;
                BlockDecoder.Write16(q.AsSByte(), factor, offset, numbers[(group * 32 + half * 16)..]);
            }
        }
    }

    /// <summary>As Q4_K, with 32 bytes of fifth bits before the 128 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q5_K(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block), dmin = BlockDecoder.Half16(block[2..]);
        for (int group = 0; group < 8; group++)
        {
            (int scale, int minimum) = ScaleAndMinimum(block[4..16], group);
            float factor = d * scale, offset = -(dmin * minimum);
            Vector128<byte> fifthBit = Vector128.Create((byte)(1 << group));
            for (int half = 0; half < 2; half++)
            {
                Vector128<byte> fifth = Vector128.Equals(BlockDecoder.Load16(block[(16 + half * 16)..]) & fifthBit, fifthBit);
                Vector128<byte> bytes = BlockDecoder.Load16(block[(48 + group / 2 * 32 + half * 16)..]);
                Vector128<byte> q = (group % 2 == 0 ? bytes & LowHalf : bytes >> 4) | (fifth & Vector128.Create((byte)0x10));
                BlockDecoder.Write16(q.AsSByte(), factor, offset, numbers[(group * 32 + half * 16)..]);
            }
        }
    }

    /// <summary>128 bytes of low halves, 64 bytes of high bits, 16 signed scales, d: d * scale * (q - 32).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Q6_K(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block[208..]);
        ReadOnlySpan<sbyte> scales = MemoryMarshal.Cast<byte, sbyte>(block[192..208]);
        for (int group = 0; group < 16; group++)
        {
            // Of a half's 128 numbers the first 64 are lower halves of its 64 bytes, the others upper ones.
            int part = group % 8 / 2;
            Vector128<byte> bytes = BlockDecoder.Load16(block[(group / 8 * 64 + part % 2 * 32 + group % 2 * 16)..]);
            Vector128<byte> high = (BlockDecoder.Load16(block[(128 + group / 8 * 32 + group % 2 * 16)..]) >> (part * 2)) & TwoBits;
            Vector128<byte> q = (part < 2 ? bytes & LowHalf : bytes >> 4) | (high << 4);
            BlockDecoder.Write16(q.AsSByte() - Vector128.Create((sbyte)32), d * scales[group], 0, numbers[(group * 16)..]);
        }
    }

    /// <summary>d, 2 bytes of high and 4 bytes of low bits of scales, 128 bytes: d * (scale - 32) * level[q].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ4_XS(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        int high = MemoryMarshal.Read<ushort>(block[2..]);
        for (int group = 0; group < 8; group++)
        {
            int low = block[4 + group / 2] >> (group % 2 * 4) & 0xF;
            int scale = (low | ((high >> (group * 2) & 3) << 4)) - 32;
            SmallBlocks.Uneven(d * scale, block[(8 + group * 16)..], numbers[(group * 32)..]);
        }
    }

    // The first four scales and minima are the lower six bits of bytes 0 to 3 and 4 to 7; the others have four bits in bytes 8 to 11 and two above
    // those.
    private static (int Scale, int Minimum) ScaleAndMinimum(ReadOnlySpan<byte> scales, int group) => group < 4
        ? (scales[group] & 63, scales[group + 4] & 63)
        : ((scales[group + 4] & 0xF) | (scales[group - 4] >> 6 << 4), (scales[group + 4] >> 4) | (scales[group] >> 6 << 4));
}
