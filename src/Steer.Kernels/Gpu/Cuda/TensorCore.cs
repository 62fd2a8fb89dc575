using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.IR.Intrinsics;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// One step of a tensor core: D = A B + C for a tile A of 16 rows x 8 words, B of 8 words x 8 columns and C of 16 x 8, where a word holds one number
/// in TF32 (m16n8k8), two bf16 (m16n8k16) or four int8 (m16n8k32) along k. On CUDA that is one mma instruction (PTX ISA, "Warp-level matrix
/// instructions") whose operands stay in registers. Its twin for ILGPU's CPU accelerator follows the same layout: lanes put their fragments where the
/// others of the warp can read them, so that a kernel's index arithmetic is tested without a GPU.
/// </summary>
/// <remarks>
/// Lane 4 g + t holds of A the words (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4), of B the words (t, g), (t + 4, g), and of C and D what
/// <see cref="Sums4"/> says.
/// </remarks>
internal static partial class TensorCore
{
    /// <summary>Words of dynamic shared memory that the twin needs for each warp; CUDA needs none.</summary>
    public const int ExchangeWords = Warps.Size * LaneWords;

    // What a lane holds of A and B.
    private const int LaneWords = 6;

    /// <summary>A B + C of bf16, summed in float32.</summary>
    public static Sums4 MultiplyBF16(Words4 a, Words2 b, Sums4 c, ArrayView<uint> exchange) => MultiplyBF16(a, b, c, ref exchange[0]);

    /// <summary>A B + C of numbers of which the upper 19 bits count (sign, 8 of exponent, 10 of fraction), summed in float32.</summary>
    public static Sums4 MultiplyTF32(Words4 a, Words2 b, Sums4 c, ArrayView<uint> exchange) => MultiplyTF32(a, b, c, ref exchange[0]);

    /// <summary>A B of int8, summed exactly.</summary>
    public static Sums4 MultiplyInt8(Words4 a, Words2 b, ArrayView<uint> exchange)
    {
        // A whole number below 2^22 added to the bits of 1.5 * 2^23 gives those of the sum, which subtracts more quickly than whole numbers are
        // converted.
        const float Origin = 3 << 22;
        var start = new Counts4 { X = 0x4B400000, Y = 0x4B400000, Z = 0x4B400000, W = 0x4B400000 };
        Counts4 counts = MultiplyInt8(a, b, start, ref exchange[0]);
        return new Sums4
        {
            X = Interop.IntAsFloat((uint)counts.X) - Origin,
            Y = Interop.IntAsFloat((uint)counts.Y) - Origin,
            Z = Interop.IntAsFloat((uint)counts.Z) - Origin,
            W = Interop.IntAsFloat((uint)counts.W) - Origin,
        };
    }

    [IntrinsicImplementation]
    private static Sums4 MultiplyBF16(Words4 a, Words2 b, Sums4 c, ref uint exchange)
    {
        ref uint warp = ref Exchange(a, b, ref exchange);
        int row = Warps.Lane / 4, column = 2 * (Warps.Lane % 4);
        for (int word = 0; word < 8; word++)
        {
            uint a0 = A(ref warp, row, word), a1 = A(ref warp, row + 8, word), b0 = B(ref warp, word, column), b1 = B(ref warp, word, column + 1);
            c.X += (Numbers.BF16(a0) * Numbers.BF16(b0)) + (Numbers.UpperBF16(a0) * Numbers.UpperBF16(b0));
            c.Y += (Numbers.BF16(a0) * Numbers.BF16(b1)) + (Numbers.UpperBF16(a0) * Numbers.UpperBF16(b1));
            c.Z += (Numbers.BF16(a1) * Numbers.BF16(b0)) + (Numbers.UpperBF16(a1) * Numbers.UpperBF16(b0));
            c.W += (Numbers.BF16(a1) * Numbers.BF16(b1)) + (Numbers.UpperBF16(a1) * Numbers.UpperBF16(b1));
        }

        Warp.Barrier();
        return c;
    }

    [IntrinsicImplementation]
    private static Sums4 MultiplyTF32(Words4 a, Words2 b, Sums4 c, ref uint exchange)
    {
        ref uint warp = ref Exchange(a, b, ref exchange);
        int row = Warps.Lane / 4, column = 2 * (Warps.Lane % 4);
        for (int word = 0; word < 8; word++)
        {
            float a0 = TF32(A(ref warp, row, word)), a1 = TF32(A(ref warp, row + 8, word));
            float b0 = TF32(B(ref warp, word, column)), b1 = TF32(B(ref warp, word, column + 1));
            c.X += a0 * b0;
            c.Y += a0 * b1;
            c.Z += a1 * b0;
            c.W += a1 * b1;
        }

        Warp.Barrier();
        return c;
    }

    [IntrinsicImplementation]
    private static Counts4 MultiplyInt8(Words4 a, Words2 b, Counts4 c, ref uint exchange)
    {
        ref uint warp = ref Exchange(a, b, ref exchange);
        int row = Warps.Lane / 4, column = 2 * (Warps.Lane % 4);
        for (int word = 0; word < 8; word++)
        {
            uint a0 = A(ref warp, row, word), a1 = A(ref warp, row + 8, word), b0 = B(ref warp, word, column), b1 = B(ref warp, word, column + 1);
            for (int shift = 0; shift < 32; shift += 8)
            {
                c.X += (sbyte)(a0 >> shift) * (sbyte)(b0 >> shift);
                c.Y += (sbyte)(a0 >> shift) * (sbyte)(b1 >> shift);
                c.Z += (sbyte)(a1 >> shift) * (sbyte)(b0 >> shift);
                c.W += (sbyte)(a1 >> shift) * (sbyte)(b1 >> shift);
            }
        }

        Warp.Barrier();
        return c;
    }

    // Puts this lane's fragments into its warp's part of shared memory, and waits for the other lanes.
    private static ref uint Exchange(Words4 a, Words2 b, ref uint exchange)
    {
        ref uint warp = ref Unsafe.Add(ref exchange, Warps.Index * ExchangeWords);
        ref uint own = ref Unsafe.Add(ref warp, Warps.Lane * LaneWords);
        Unsafe.As<uint, Words4>(ref own) = a;
        Unsafe.As<uint, Words2>(ref Unsafe.Add(ref own, 4)) = b;
        Warp.Barrier();
        return ref warp;
    }

    private static uint A(ref uint warp, int row, int word) =>
        Unsafe.Add(ref warp, (((row % 8 * 4) + (word % 4)) * LaneWords) + (row / 8) + (2 * (word / 4)));

    private static uint B(ref uint warp, int word, int column) =>
        Unsafe.Add(ref warp, (((column * 4) + (word % 4)) * LaneWords) + 4 + (word / 4));

    private static float TF32(uint word) => Interop.IntAsFloat(word & 0xFFFFE000u);
}
