using System.Globalization;
using System.Runtime.InteropServices;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>Products of tensor cores against matrices multiplied by hand, with fragments written down element by element as the PTX ISA lists them.</summary>
public sealed class PtxTensorTests
{
    [Fact]
    public void A_product_of_bfloat16_is_that_of_its_matrices() => AssertProduct(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", k: 16, perRegister: 2,
        // a0..a7 of m16n8k16: row g for i in 0, 1, 4, 5, else g + 8; column 2 t + (i mod 2), and 8 more from i = 4 on.
        (g, t, i) => (i is 0 or 1 or 4 or 5 ? g : g + 8, (2 * t) + (i & 1) + (i >= 4 ? 8 : 0)),
        // b0..b3: row 2 t + (i mod 2), and 8 more from i = 2 on; column g.
        (g, t, i) => ((2 * t) + (i & 1) + (i >= 2 ? 8 : 0), g),
        value => BitConverter.SingleToUInt32Bits(value) >> 16);

    [Fact]
    public void A_product_of_int8_is_that_of_its_matrices() => AssertProduct(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32", k: 32, perRegister: 4,
        // a0..a15 of m16n8k32: row g for i in 0..3 and 8..11, else g + 8; column 4 t + (i mod 4), and 16 more from i = 8 on.
        (g, t, i) => (i is < 4 or (>= 8 and < 12) ? g : g + 8, (4 * t) + (i & 3) + (i >= 8 ? 16 : 0)),
        // b0..b7: row 4 t + (i mod 4), and 16 more from i = 4 on; column g.
        (g, t, i) => ((4 * t) + (i & 3) + (i >= 4 ? 16 : 0), g),
        value => (byte)(sbyte)value);

    [Fact]
    public void A_product_of_tf32_is_that_of_its_matrices() => AssertProduct(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", k: 8, perRegister: 1,
        // a0..a3 of m16n8k8: row g for a0 and a2, else g + 8; column t for a0 and a1, else t + 4.
        (g, t, i) => (i is 0 or 2 ? g : g + 8, i < 2 ? t : t + 4),
        // b0, b1: row t, then t + 4; column g.
        (g, t, i) => (t + (4 * i), g),
        BitConverter.SingleToUInt32Bits);

    private static unsafe void AssertProduct(
        string instruction, int k, int perRegister, Func<int, int, int, (int Row, int K)> ofA, Func<int, int, int, (int K, int Column)> ofB, Func<float, uint> encode)
    {
        var random = new Random(1);
        int aWords = k / perRegister / 2, bWords = k / perRegister / 4, words = aWords + bWords + 8;
        float[,] a = Fill(random, 16, k), b = Fill(random, k, 8), c = Fill(random, 16, 8);
        bool whole = instruction.Contains(".s32.", StringComparison.Ordinal);
        uint* memory = (uint*)NativeMemory.AlignedAlloc((nuint)(32 * words * sizeof(uint)), 256);
        try
        {
            var fragments = new Span<uint>(memory, 32 * words);
            fragments.Clear();
            int bits = 32 / perRegister;
            for (int lane = 0; lane < 32; lane++)
            {
                int g = lane / 4, t = lane % 4;
                Span<uint> own = fragments.Slice(lane * words, words);
                for (int i = 0; i < aWords * perRegister; i++)
                    own[i / perRegister] |= encode(a[ofA(g, t, i).Row, ofA(g, t, i).K]) << (bits * (i % perRegister));
                for (int i = 0; i < bWords * perRegister; i++)
                    own[aWords + (i / perRegister)] |= encode(b[ofB(g, t, i).K, ofB(g, t, i).Column]) << (bits * (i % perRegister));
                for (int i = 0; i < 4; i++)
                    own[aWords + bWords + i] = Sum(c[RowOfC(g, i), (2 * t) + (i & 1)], whole);
            }

            string[] names = [.. Enumerable.Range(0, words).Select(i => string.Create(CultureInfo.InvariantCulture, $"%r{i}"))];
            string Vector(int from, int count) => $"{{{string.Join(", ", names[from..(from + count)])}}}";
            string loads = string.Concat(Enumerable.Range(0, words - 4).Select(i => $"ld.global.u32 {names[i]}, [%rd2+{4 * i}];\n"));
            string stores = string.Concat(Enumerable.Range(words - 4, 4).Select(i => $"st.global.u32 [%rd2+{4 * i}], {names[i]};\n"));
            var kernel = new PtxKernel($$"""
                .visible .entry Kernel_Product(.param .b64 fragments)
                {
                .reg .b32 %r<40>;
                .reg .b64 %rd<4>;
                ld.param.b64 %rd0, [fragments];
                mov.u32 %r39, %laneid;
                mul.wide.u32 %rd1, %r39, {{4 * words}};
                add.u64 %rd2, %rd0, %rd1;
                {{loads}}
                {{instruction}} {{Vector(words - 4, 4)}}, {{Vector(0, aWords)}}, {{Vector(aWords, bWords)}}, {{Vector(aWords + bWords, 4)}};
                {{stores}}
                }
                """);
            kernel.Run(new PtxLaunch(
                new PtxGrid(1, 1, 1), 32, 0, BitConverter.GetBytes((long)memory), new PtxGlobalMemory([((long)memory, 32 * words * sizeof(uint))]), 0));
            for (int lane = 0; lane < 32; lane++)
            {
                for (int i = 0; i < 4; i++)
                {
                    int row = RowOfC(lane / 4, i), column = (2 * (lane % 4)) + (i & 1);
                    float expected = c[row, column];
                    for (int j = 0; j < k; j++)
                        expected += a[row, j] * b[j, column];
                    Assert.Equal(Sum(expected, whole), fragments[(lane * words) + words - 4 + i]);
                }
            }
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static int RowOfC(int g, int i) => i < 2 ? g : g + 8;

    private static uint Sum(float value, bool whole) => whole ? (uint)(int)value : BitConverter.SingleToUInt32Bits(value);

    // Small whole numbers, of which every type and every sum is exact.
    private static float[,] Fill(Random random, int rows, int columns)
    {
        var numbers = new float[rows, columns];
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
                numbers[r, c] = random.Next(-100, 101);
        }

        return numbers;
    }
}
