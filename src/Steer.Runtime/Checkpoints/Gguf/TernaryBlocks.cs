using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Blocks of 256 numbers of three levels.</summary>
internal static class TernaryBlocks
{
    private const float Shift = 0.125f;

    /// <summary>48 bytes with five numbers each, 4 bytes with four each, d: d * (digit - 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TQ1_0(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block[52..]);
        int written = 0;
        foreach ((int first, int count, int digits) in (ReadOnlySpan<(int, int, int)>)[(0, 32, 5), (32, 16, 5), (48, 4, 4)])
        {
            // Bytes are fractions in base 3: multiplied by 3 to the power of n, what is left above gives digit n.
            int power = 1;
            for (int digit = 0; digit < digits; digit++, power *= 3)
            {
                foreach (byte value in block.Slice(first, count))
                    numbers[written++] = d * (((byte)(value * power) * 3 >> 8) - 1);
            }
        }
    }

    /// <summary>64 bytes with four numbers each, d: d * (q - 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void TQ2_0(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block[64..]);
        for (int group = 0; group < 16; group++)
        {
            Vector128<byte> bytes = BlockDecoder.Load16(block[(group / 8 * 32 + group % 2 * 16)..]);
            Vector128<byte> q = (bytes >> (group % 8 / 2 * 2)) & Vector128.Create((byte)3);
            BlockDecoder.Write16(q.AsSByte() - Vector128<sbyte>.One, d, 0, numbers[(group * 16)..]);
        }
    }

    /// <summary>
    /// d, 32 bytes of points, eight times 16 bits: three more bits of each of four points, a 3-bit scale and the sign of a shift.
    /// d * (2 * scale + 1) * (point + shift).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ1_S(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        ReadOnlySpan<ushort> high = MemoryMarshal.Cast<byte, ushort>(block[34..]);
        for (int group = 0; group < 32; group++)
        {
            int bits = high[group / 4];
            float scale = d * (2 * (bits >> 12 & 7) + 1);
            int point = block[2 + group] | (bits >> (group % 4 * 3) & 7) << 8;
            Write(point, scale, (bits & 0x8000) != 0 ? -Shift : Shift, numbers.Slice(group * 8, 8));
        }
    }

    /// <summary>
    /// 32 bytes of points, 16 bytes with three more bits of two points and the signs of their shifts, four times 16 bits that hold d and, in 3
    /// bits, a scale for each 16 numbers.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ1_M(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        ReadOnlySpan<ushort> scales = MemoryMarshal.Cast<byte, ushort>(block[48..]);
        int half = scales[0] >> 12 | (scales[1] >> 8 & 0xF0) | (scales[2] >> 4 & 0xF00) | (scales[3] & 0xF000);
        float d = (float)BitConverter.UInt16BitsToHalf((ushort)half);
        for (int group = 0; group < 32; group++)
        {
            float scale = d * (2 * (scales[group / 8] >> (group / 2 % 4 * 3) & 7) + 1);
            int bits = block[32 + group / 2] >> (group % 2 * 4);
            Write(block[group] | (bits & 7) << 8, scale, (bits & 8) != 0 ? -Shift : Shift, numbers.Slice(group * 8, 8));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(int point, float scale, float shift, Span<float> numbers)
    {
        ReadOnlySpan<sbyte> levels = Lattices.IQ1_S.AsSpan(point * 8, 8);
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = scale * (levels[i] + shift);
    }
}
