using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Blocks of 256 numbers: points of a lattice of positive levels, and the numbers' signs apart.</summary>
internal static class LatticeBlocks
{
    /// <summary>d, eight times 8 bytes: four points, four times 7 bits of signs, a 4-bit scale. d * (scale + 1/2) / 4 * point.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ2_XXS(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        for (int group = 0; group < 32; group++)
        {
            ReadOnlySpan<byte> part = block.Slice(2 + group / 4 * 8, 8);
            uint bits = MemoryMarshal.Read<uint>(part[4..]);
            float scale = d * (0.5f + (bits >> 28)) * 0.25f;
            Write(Lattices.IQ2_XXS.AsSpan(part[group % 4] * 8, 8), EvenSigns(bits >> (group % 4 * 7)), scale, numbers.Slice(group * 8, 8));
        }
    }

    /// <summary>d, 32 times 9 bits of a point and 7 of signs, a 4-bit scale for each 16 numbers. d * (scale + 1/2) / 4 * point.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ2_XS(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        ReadOnlySpan<ushort> points = MemoryMarshal.Cast<byte, ushort>(block.Slice(2, 64));
        for (int group = 0; group < 32; group++)
        {
            float scale = d * (0.5f + (block[66 + group / 4] >> (group / 2 % 2 * 4) & 0xF)) * 0.25f;
            uint point = points[group];
            Write(Lattices.IQ2_XS.AsSpan((int)(point & 511) * 8, 8), EvenSigns(point >> 9), scale, numbers.Slice(group * 8, 8));
        }
    }

    /// <summary>
    /// d, 32 bytes of points, 32 bytes of signs, two more bits of each point, a 4-bit scale for each 16 numbers. d * (scale + 1/2) / 4 * point.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ2_S(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        for (int group = 0; group < 32; group++)
        {
            int point = block[2 + group] | (block[66 + group / 4] >> (group % 4 * 2) & 3) << 8;
            float scale = d * (0.5f + (block[74 + group / 4] >> (group / 2 % 2 * 4) & 0xF)) * 0.25f;
            Write(Lattices.IQ2_S.AsSpan(point * 8, 8), block[34 + group], scale, numbers.Slice(group * 8, 8));
        }
    }

    /// <summary>
    /// d, 64 bytes of points of four numbers, eight times four times 7 bits of signs and a 4-bit scale. d * (scale + 1/2) / 2 * point.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ3_XXS(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        for (int group = 0; group < 32; group++)
        {
            uint bits = MemoryMarshal.Read<uint>(block[(66 + group / 4 * 4)..]);
            float scale = d * (0.5f + (bits >> 28)) * 0.5f;
            uint signs = EvenSigns(bits >> (group % 4 * 7));
            Write(Lattices.IQ3_XXS.AsSpan(block[2 + group * 2] * 4, 4), signs, scale, numbers.Slice(group * 8, 4));
            Write(Lattices.IQ3_XXS.AsSpan(block[3 + group * 2] * 4, 4), signs >> 4, scale, numbers.Slice(group * 8 + 4, 4));
        }
    }

    /// <summary>
    /// d, 64 bytes of points of four numbers, a ninth bit of each, 32 bytes of signs, a 4-bit scale for each 32 numbers. d * (2 * scale + 1) * point.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void IQ3_S(ReadOnlySpan<byte> block, Span<float> numbers)
    {
        float d = BlockDecoder.Half16(block);
        for (int group = 0; group < 64; group++)
        {
            int point = block[2 + group] | (block[66 + group / 8] >> (group % 8) & 1) << 8;
            float scale = d * (2 * (block[106 + group / 16] >> (group / 8 % 2 * 4) & 0xF) + 1);
            uint signs = (uint)block[74 + group / 2] >> (group % 2 * 4);
            Write(Lattices.IQ3_S.AsSpan(point * 4, 4), signs, scale, numbers.Slice(group * 4, 4));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(ReadOnlySpan<sbyte> levels, uint signs, float scale, Span<float> numbers)
    {
        for (int i = 0; i < numbers.Length; i++)
            numbers[i] = scale * ((signs >> i & 1) != 0 ? -levels[i] : levels[i]);
    }

    // Seven signs, and an eighth that makes the number of minuses even.
    private static uint EvenSigns(uint bits)
    {
        bits &= 127;
        return bits | (uint)BitOperations.PopCount(bits) % 2 << 7;
    }
}
