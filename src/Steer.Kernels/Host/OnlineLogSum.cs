using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static Steer.Kernels.Host.GuideAndSampleMath;

namespace Steer.Kernels.Host;

/// <summary>
/// Largest number of a row and log of its sum of exponentials, in one pass over memory: a block is summed beside its own maximum while it is in the
/// first-level cache, and what was summed before is scaled where the maximum rises (Milakov and Gimelshein, arXiv 1805.02867). Blocks are joined in
/// order and in float64, and in a block there are 32 sums, whatever the width of the registers: the bits depend on the row alone.
/// </summary>
internal unsafe struct OnlineLogSum()
{
    private const int Unrolled = 2 * Stride;

    private double _sum;
    private bool _unordered;

    /// <summary>Largest number so far; minus infinity when there is none. NaN is passed over.</summary>
    public float Max { get; private set; } = float.NegativeInfinity;

    /// <summary>log of the sum of exp(x - <see cref="Max"/>); NaN where a number was NaN or infinite upwards.</summary>
    public readonly float LogSum => _unordered ? float.NaN : (float)Math.Log(_sum);

    /// <summary>Adds the next block, x [count], and returns its largest number. All blocks but the last have the full size.</summary>
    public float Add(float* x, int count)
    {
        float max = GuideAndSampleMath.Max(x, count);
        // Where there is nothing but minus infinity: a number that leaves it so.
        float offset = MathF.Max(max, float.MinValue);
        double sum = count % Unrolled > 0 ? SumPadded(x, count, offset) : SumExp(x, count, offset);
        if (max > Max)
        {
            _sum = (_sum * Math.Exp((double)Max - max)) + sum;
            Max = max;
        }
        else if (sum > 0)
        {
            _sum += sum * Math.Exp((double)max - Max);
        }
        return max;
    }

    private double SumPadded(float* x, int count, float offset)
    {
        float* padded = stackalloc float[BlockSize];
        new Span<float>(padded, BlockSize).Fill(float.NegativeInfinity);
        new ReadOnlySpan<float>(x, count).CopyTo(new Span<float>(padded, BlockSize));
        return SumExp(padded, (count + Unrolled - 1) / Unrolled * Unrolled, offset);
    }

    private double SumExp(float* x, int count, float offset)
    {
        double sum = Vector512.IsHardwareAccelerated ? SumExp512(x, count, offset, out float total) : SumExp256(x, count, offset, out total);
        // All differences are 0 at most, so nothing but a NaN among them makes their total one.
        _unordered |= float.IsNaN(total);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumExp512(float* x, int count, float offset, out float total)
    {
        var subtracted = Vector512.Create(offset);
        Vector512<float> differences = default, s0 = default, s1 = default;
        for (int i = 0; i < count; i += Unrolled)
        {
            var x0 = Vector512.Load(x + i) - subtracted;
            var x1 = Vector512.Load(x + i + 2 * Lanes) - subtracted;
            var x2 = Vector512.Load(x + i + Stride) - subtracted;
            var x3 = Vector512.Load(x + i + Stride + 2 * Lanes) - subtracted;
            differences += (x0 + x1) + (x2 + x3);
            s0 += VectorMath.Exp(x0);
            s1 += VectorMath.Exp(x1);
            s0 += VectorMath.Exp(x2);
            s1 += VectorMath.Exp(x3);
        }
        total = Vector512.Sum(differences);
        return Sum(s0.GetLower(), s0.GetUpper(), s1.GetLower(), s1.GetUpper());
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumExp256(float* x, int count, float offset, out float total)
    {
        var subtracted = Vector256.Create(offset);
        Vector256<float> differences = default, s0 = default, s1 = default, s2 = default, s3 = default;
        for (int i = 0; i < count; i += Stride)
        {
            var x0 = Vector256.Load(x + i) - subtracted;
            var x1 = Vector256.Load(x + i + Lanes) - subtracted;
            var x2 = Vector256.Load(x + i + 2 * Lanes) - subtracted;
            var x3 = Vector256.Load(x + i + 3 * Lanes) - subtracted;
            differences += (x0 + x1) + (x2 + x3);
            s0 += VectorMath.Exp(x0);
            s1 += VectorMath.Exp(x1);
            s2 += VectorMath.Exp(x2);
            s3 += VectorMath.Exp(x3);
        }
        total = Vector256.Sum(differences);
        return Sum(s0, s1, s2, s3);
    }
}
