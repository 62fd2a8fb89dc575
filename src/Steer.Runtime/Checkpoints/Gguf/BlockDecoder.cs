using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Steer.Runtime.Checkpoints.Gguf;

/// <summary>Decodes the blocks of GGUF tensors to float32; the numbers are the bits that the format's reference, gguf-py, gives.</summary>
/// <remarks>
/// Decoders are optimised from their first call on, which a library's code is not: loading is over before that is compiled a second time.
/// </remarks>
internal static class BlockDecoder
{
    private delegate void Decoder(ReadOnlySpan<byte> block, Span<float> numbers);

    /// <summary>Decodes whole blocks.</summary>
    /// <param name="type">How the numbers are stored.</param>
    /// <param name="blocks">The blocks' bytes, one after the other.</param>
    /// <param name="numbers">Out [numbers in these blocks].</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Decode(GgufType type, ReadOnlySpan<byte> blocks, Span<float> numbers)
    {
        switch (type)
        {
            case GgufType.F32:
                MemoryMarshal.Cast<byte, float>(blocks).CopyTo(numbers);
                return;
            case GgufType.F16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(blocks), numbers);
                return;
            case GgufType.BF16:
                BFloat16.Widen(MemoryMarshal.Cast<byte, ushort>(blocks), numbers);
                return;
        }

        Decoder decoder = DecoderOf(type);
        int bytes = type.BlockBytes(), length = type.BlockLength();
        for (int i = 0; i < blocks.Length / bytes; i++)
            decoder(blocks.Slice(i * bytes, bytes), numbers.Slice(i * length, length));
    }

    /// <summary>numbers[i] = q[i] * scale + offset.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write16(Vector128<sbyte> q, float scale, float offset, Span<float> numbers)
    {
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(q);
        Write4(Vector128.WidenLower(low), scale, offset, numbers);
        Write4(Vector128.WidenUpper(low), scale, offset, numbers[4..]);
        Write4(Vector128.WidenLower(high), scale, offset, numbers[8..]);
        Write4(Vector128.WidenUpper(high), scale, offset, numbers[12..]);
    }

    /// <summary>Sixteen bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<byte> Load16(ReadOnlySpan<byte> bytes) => Vector128.Create(bytes[..16]);

    /// <summary>A number in half precision.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Half16(ReadOnlySpan<byte> bytes) => (float)MemoryMarshal.Read<Half>(bytes);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write4(Vector128<int> q, float scale, float offset, Span<float> numbers) =>
        (Vector128.ConvertToSingle(q) * scale + Vector128.Create(offset)).CopyTo(numbers);

    private static Decoder DecoderOf(GgufType type) => type switch
    {
        GgufType.Q4_0 => SmallBlocks.Q4_0,
        GgufType.Q4_1 => SmallBlocks.Q4_1,
        GgufType.Q5_0 => SmallBlocks.Q5_0,
        GgufType.Q5_1 => SmallBlocks.Q5_1,
        GgufType.Q8_0 => SmallBlocks.Q8_0,
        GgufType.IQ4_NL => SmallBlocks.IQ4_NL,
        GgufType.MXFP4 => SmallBlocks.MXFP4,
        GgufType.Q2_K => KBlocks.Q2_K,
        GgufType.Q3_K => KBlocks.Q3_K,
        GgufType.Q4_K => KBlocks.Q4_K,
        GgufType.Q5_K => KBlocks.Q5_K,
        GgufType.Q6_K => KBlocks.Q6_K,
        GgufType.IQ4_XS => KBlocks.IQ4_XS,
        GgufType.TQ1_0 => TernaryBlocks.TQ1_0,
        GgufType.TQ2_0 => TernaryBlocks.TQ2_0,
        GgufType.IQ1_S => TernaryBlocks.IQ1_S,
        GgufType.IQ1_M => TernaryBlocks.IQ1_M,
        GgufType.IQ2_XXS => LatticeBlocks.IQ2_XXS,
        GgufType.IQ2_XS => LatticeBlocks.IQ2_XS,
        GgufType.IQ2_S => LatticeBlocks.IQ2_S,
        GgufType.IQ3_XXS => LatticeBlocks.IQ3_XXS,
        GgufType.IQ3_S => LatticeBlocks.IQ3_S,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not a type of blocks."),
    };
}
