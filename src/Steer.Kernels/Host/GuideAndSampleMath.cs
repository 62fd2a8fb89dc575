using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>
/// Vector arithmetic of GuideAndSample. Everything is written in groups of eight lanes with fused multiply-adds, and sums have a fixed
/// tree: the bits are the same on every processor, whatever the width of its registers.
/// </summary>
internal static unsafe class GuideAndSampleMath
{
    /// <summary>Lanes of a vector.</summary>
    public const int Lanes = 8;

    /// <summary>Numbers summed in float32 before the sum is carried on in float64: at most 32 to a lane, so the error stays near 1e-6.</summary>
    public const int BlockSize = 1024;

    /// <summary>Numbers that one turn of a summing loop takes.</summary>
    public const int Stride = 4 * Lanes;

    private static readonly Vector256<int>[] PackOrders = MakePackOrders();

    /// <summary>Sum of 32 lanes in float64, always in the same order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Sum(Vector256<float> a, Vector256<float> b, Vector256<float> c, Vector256<float> d)
    {
        var sum = (a + b) + (c + d);
        var (lower, upper) = Vector256.Widen(sum);
        var quad = lower + upper;
        return (quad[0] + quad[2]) + (quad[1] + quad[3]);
    }

    /// <summary>Largest of x [count]; minus infinity when there is none. NaN is passed over.</summary>
    public static float Max(float* x, int count)
    {
        var max0 = Vector256.Create(float.NegativeInfinity);
        var max1 = max0;
        int i = 0;
        for (; i <= count - 2 * Lanes; i += 2 * Lanes)
        {
            max0 = Vector256.MaxNative(Vector256.Load(x + i), max0);
            max1 = Vector256.MaxNative(Vector256.Load(x + i + Lanes), max1);
        }
        float best = VectorMath.Max(Vector256.MaxNative(max0, max1));
        for (; i < count; i++)
        {
            if (x[i] > best)
                best = x[i];
        }
        return best;
    }

    /// <summary>Smallest of x [count]; infinity when there is none. No number may be NaN.</summary>
    public static float Min(float* x, int count)
    {
        var min = Vector256.Create(float.PositiveInfinity);
        int i = 0;
        for (; i <= count - Lanes; i += Lanes)
            min = Vector256.MinNative(Vector256.Load(x + i), min);
        float least = min[0];
        for (int lane = 1; lane < Lanes; lane++)
            least = MathF.Min(least, min[lane]);
        for (; i < count; i++)
            least = MathF.Min(least, x[i]);
        return least;
    }

    /// <summary>A bit for each of the first <paramref name="count"/> lanes; all eight bits where there are more.</summary>
    public static uint FirstLanes(int count) => count >= Lanes ? 0xFF : (1u << count) - 1;

    /// <summary>
    /// Writes the lanes whose bits are set to the front of <paramref name="to"/> and returns how many there are. Eight numbers may be
    /// written in any case: what lies behind is overwritten.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int PackLeft(Vector256<int> lanes, uint bits, int* to)
    {
        if (bits == 0)
            return 0;
        (bits == 0xFF ? lanes : Vector256.ShuffleNative(lanes, PackOrders[bits])).Store(to);
        return BitOperations.PopCount(bits);
    }

    /// <summary>As <see cref="PackLeft(Vector256{int}, uint, int*)"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int PackLeft(Vector256<float> lanes, uint bits, float* to) => PackLeft(lanes.AsInt32(), bits, (int*)to);

    /// <summary>The smallest float that is at least <paramref name="value"/>: comparing with it decides as comparing with the double would.</summary>
    public static float RoundUp(double value)
    {
        float nearest = (float)value;
        return nearest < value ? MathF.BitIncrement(nearest) : nearest;
    }

    // For each set of lanes their indices, ascending.
    private static Vector256<int>[] MakePackOrders()
    {
        var orders = new Vector256<int>[1 << Lanes];
        for (int bits = 0; bits < orders.Length; bits++)
        {
            for (int lane = 0, to = 0; lane < Lanes; lane++)
            {
                if ((bits >> lane & 1) != 0)
                    orders[bits] = orders[bits].WithElement(to++, lane);
            }
        }
        return orders;
    }
}
