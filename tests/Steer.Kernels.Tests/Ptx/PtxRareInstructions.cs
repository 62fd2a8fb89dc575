using System.Numerics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>Instructions that are too rare for a loop of their own: as functions of bits. Approximations are what they approximate, rounded; a card's differ in the last bits.</summary>
internal static class PtxRareInstructions
{
    private static readonly int[] Words2 = [4, 4];
    private static readonly int[] Words3 = [4, 4, 4];
    private static readonly int[] Words4 = [4, 4, 4, 4];

    /// <summary>Mnemonic, bytes of the result and of the operands, and what it does.</summary>
    public static IEnumerable<(string Name, int[] Bytes, Func<ulong, ulong, ulong, ulong> Function)> All { get; } =
    [
        Float("ex2.approx.f32", x => Math.Pow(2, x)),
        Float("lg2.approx.f32", Math.Log2),
        Float("rcp.approx.f32", x => 1 / x),
        Float("sqrt.approx.f32", Math.Sqrt),
        Float("rsqrt.approx.f32", x => 1 / Math.Sqrt(x)),
        Float("sin.approx.f32", Math.Sin),
        Float("cos.approx.f32", Math.Cos),
        Float("tanh.approx.f32", Math.Tanh),
        ("copysign.f32", Words3, (a, b, _) => ((uint)a & 0x80000000u) | ((uint)b & 0x7FFFFFFFu)),
        ("mul.hi.u32", Words3, (a, b, _) => a * b >> 32),
        ("mul.hi.s32", Words3, (a, b, _) => (ulong)((long)(int)a * (int)b >> 32)),
        ("mul.hi.u64", [8, 8, 8], (a, b, _) => Math.BigMul(a, b, out ulong _)),
        ("mul.hi.s64", [8, 8, 8], (a, b, _) => (ulong)Math.BigMul((long)a, (long)b, out long _)),
        ("mad.wide.u32", [8, 4, 4, 8], (a, b, c) => (a * b) + c),
        ("mad.wide.s32", [8, 4, 4, 8], (a, b, c) => (ulong)(((long)(int)a * (int)b) + (long)c)),
        ("popc.b32", Words2, (a, _, _) => (ulong)BitOperations.PopCount(a)),
        ("popc.b64", [4, 8], (a, _, _) => (ulong)BitOperations.PopCount(a)),
        ("clz.b32", Words2, (a, _, _) => (ulong)BitOperations.LeadingZeroCount((uint)a)),
        ("clz.b64", [4, 8], (a, _, _) => (ulong)BitOperations.LeadingZeroCount(a)),
        ("brev.b32", Words2, (a, _, _) => Reverse((uint)a)),
        ("bfe.u32", Words4, (a, b, c) => Field((uint)a, b, c)),
        ("bfe.s32", Words4, (a, b, c) => SignedField((uint)a, b, c)),
        ("prmt.b32", Words4, (a, b, c) => Permute((uint)a | (b << 32), (uint)c)),
        ("shf.l.wrap.b32", Words4, (a, b, c) => ((b << 32 | a) << (int)(c & 31)) >> 32),
        ("shf.r.wrap.b32", Words4, (a, b, c) => (b << 32 | a) >> (int)(c & 31)),
    ];

    private static (string Name, int[] Bytes, Func<ulong, ulong, ulong, ulong> Function) Float(string name, Func<double, double> function) =>
        (name, Words2, (a, _, _) => BitConverter.SingleToUInt32Bits((float)function(BitConverter.UInt32BitsToSingle((uint)a))));

    private static uint Reverse(uint a)
    {
        uint reversed = 0;
        for (int i = 0; i < 32; i++)
            reversed |= (a >> i & 1) << (31 - i);
        return reversed;
    }

    private static ulong Field(uint a, ulong position, ulong length)
    {
        int from = (int)(position & 255), count = (int)(length & 255);
        return count == 0 || from > 31 ? 0 : (ulong)(a >> from) & ((1UL << Math.Min(32, count)) - 1);
    }

    private static ulong SignedField(uint a, ulong position, ulong length)
    {
        int from = (int)(position & 255), count = (int)(length & 255);
        if (count == 0)
            return 0;
        uint sign = a >> Math.Min(31, from + count - 1) & 1;
        ulong field = from > 31 ? 0 : Field(a, position, (ulong)Math.Min(count, 32 - from));
        int known = from > 31 ? 0 : Math.Min(count, 32 - from);
        return sign == 0 || known == 32 ? field : field | (0xFFFFFFFFUL << known & 0xFFFFFFFFUL);
    }

    // Default mode: four selectors of a byte of b:a, whose highest bit takes the byte's sign instead.
    private static ulong Permute(ulong bytes, uint selectors)
    {
        ulong result = 0;
        for (int i = 0; i < 4; i++)
        {
            int selector = (int)(selectors >> (4 * i)) & 15;
            byte chosen = (byte)(bytes >> (8 * (selector & 7)));
            if (selector > 7)
                chosen = (byte)((sbyte)chosen >> 7);
            result |= (ulong)chosen << (8 * i);
        }

        return result;
    }
}
