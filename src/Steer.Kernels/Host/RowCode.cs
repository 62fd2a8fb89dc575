using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>How a tile wants its rows of activations; all are lists of 32-bit words.</summary>
internal enum RowCode
{
    /// <summary>float32.</summary>
    Float,

    /// <summary>float32 rounded to bfloat16.</summary>
    RoundedFloat,

    /// <summary>Two bfloat16 in a word, that of the even k in the lower half.</summary>
    Pairs,

    /// <summary>
    /// 8 bits, see <see cref="BlockQuantizer.Activations"/>. A block is 8 words with the four numbers of a group in their bytes, then scale,
    /// -128 * sum of q (what the offset of int8 weights adds, negated) and scale * sum of q.
    /// </summary>
    Bytes,

    /// <summary>As <see cref="Bytes"/>, with 16 words of 16-bit integers: the even k of each group, then the odd k of each group.</summary>
    Shorts,
}

/// <summary>Rounds and quantises rows.</summary>
internal static unsafe class RowCodes
{
    /// <summary>Words after the numbers of a block.</summary>
    public const int BlockTail = 3;

    /// <summary>Word of the scale in a block of <see cref="RowCode.Bytes"/>.</summary>
    public const int ByteScale = BlockLayout.Groups;

    /// <summary>Word of the scale in a block of <see cref="RowCode.Shorts"/>.</summary>
    public const int ShortScale = 2 * BlockLayout.Groups;

    private const int BlockSize = BlockQuantizer.BlockSize;

    // 1.5 * 2^23: adding it rounds to an integer, which then lies in the lowest bits.
    private const float RoundToInteger = 12582912f;

    /// <summary>Words that k numbers take, with what fills up the last step of a weight.</summary>
    /// <param name="code">The code.</param>
    /// <param name="k">Numbers.</param>
    /// <param name="depth">k in a step of the weight.</param>
    public static int Words(RowCode code, int k, int depth) => code switch
    {
        RowCode.Pairs => (k + 1) / 2,
        RowCode.Bytes => BlockQuantizer.Blocks(k) * (ByteScale + BlockTail),
        RowCode.Shorts => BlockQuantizer.Blocks(k) * (ShortScale + BlockTail),
        _ => (k + depth - 1) / depth * depth,
    };

    /// <summary>Writes the code of a row of k numbers, but for float32 that fills up a step.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Encode(RowCode code, float* x, int k, uint* words)
    {
        switch (code)
        {
            case RowCode.Float:
                new ReadOnlySpan<float>(x, k).CopyTo(new Span<float>(words, k));
                break;
            case RowCode.RoundedFloat:
                Round(x, k, words);
                break;
            case RowCode.Pairs:
                Narrow(x, k, (ushort*)words);
                break;
            default:
                Quantise(code, x, k, words);
                break;
        }
    }

    private static void Round(float* x, int k, uint* words)
    {
        int i = 0;
        for (; i <= k - VectorMath.Lanes; i += VectorMath.Lanes)
            Rounded(Vector256.Load(x + i)).AsUInt32().Store(words + i);
        for (; i < k; i++)
            words[i] = (uint)DTypeExtensions.NarrowBF16(x[i]) << 16;
    }

    private static void Narrow(float* x, int k, ushort* halves)
    {
        DTypeExtensions.NarrowBF16(new ReadOnlySpan<float>(x, k), new Span<ushort>(halves, k));
        if (k % 2 > 0)
            halves[k] = 0;
    }

    // x rounded to bfloat16, nearest even, as DTypeExtensions.NarrowBF16 does it.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Rounded(Vector256<float> x) =>
        (DTypeExtensions.RoundUpperHalf(x) & Vector256.Create(0xFFFF0000u)).AsSingle();

    private static void Quantise(RowCode code, float* x, int k, uint* words)
    {
        int groups = code == RowCode.Bytes ? ByteScale : ShortScale;
        float* last = stackalloc float[BlockSize];
        for (; k > 0; k -= BlockSize, x += BlockSize, words += groups + BlockTail)
        {
            float* block = x;
            if (k < BlockSize)
            {
                new ReadOnlySpan<float>(x, k).CopyTo(new Span<float>(last, BlockSize));
                new Span<float>(last + k, BlockSize - k).Clear();
                block = last;
            }

            var q = Quantise(block, out float scale, out int sum);
            if (code == RowCode.Bytes)
            {
                q.Store((sbyte*)words);
            }
            else
            {
                (q.AsInt16() << 8 >> 8).Store((short*)words);
                (q.AsInt16() >> 8).Store((short*)(words + BlockLayout.Groups));
            }
            uint* tail = words + groups;
            *(float*)tail = scale;
            *(int*)(tail + 1) = -BlockLayout.Int8Offset * sum;
            *(float*)(tail + 2) = scale * sum;
        }
    }

    // BlockQuantizer.Activations, four vectors at a time.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Quantise(float* x, out float scale, out int sum)
    {
        var a = Vector256.Load(x);
        var b = Vector256.Load(x + 8);
        var c = Vector256.Load(x + 16);
        var d = Vector256.Load(x + 24);
        // As integers NaN is above infinity and infinity above all else.
        var bits = Vector256.Max(Vector256.Max(Magnitude(a), Magnitude(b)), Vector256.Max(Magnitude(c), Magnitude(d)));
        var half = Vector128.Max(bits.GetLower(), bits.GetUpper());
        half = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
        float max = BitConverter.Int32BitsToSingle(Math.Max(half[0], half[1]));
        scale = max / BlockQuantizer.MaxInt8;
        sum = 0;
        if (!float.IsFinite(max))
            scale = float.NaN;
        if (!(scale > 0))
            return Vector256<sbyte>.Zero;

        var divisor = Vector256.Create(scale);
        var (qa, qb, qc, qd) = (Nearest(a, divisor), Nearest(b, divisor), Nearest(c, divisor), Nearest(d, divisor));
        sum = Vector256.Sum(qa + qb + (qc + qd));
        return Vector256.Narrow(Vector256.Narrow(qa, qb), Vector256.Narrow(qc, qd));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Magnitude(Vector256<float> x) => x.AsInt32() & Vector256.Create(int.MaxValue);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Nearest(Vector256<float> x, Vector256<float> scale)
    {
        var limit = Vector256.Create((float)BlockQuantizer.MaxInt8);
        var q = Vector256.Min(Vector256.Max(x / scale, -limit), limit) + Vector256.Create(RoundToInteger);
        return q.AsInt32() - Vector256.Create(RoundToInteger).AsInt32();
    }
}
