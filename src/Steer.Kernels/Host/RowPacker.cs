using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Steer.Kernels.Host;

/// <summary>Puts rows into the order in which a tile reads them.</summary>
internal static unsafe class RowPacker
{
    private const int Lanes = 4;

    /// <summary>Packs rows, except where a single row is in a tile's order as it is.</summary>
    /// <returns>The numbers in tile order: <paramref name="memory"/> [k][count], or the row.</returns>
    public static float* InTileOrder(float** rows, int count, int k, float* memory)
    {
        if (count == 1)
            return *rows;
        Pack(rows, count, k, memory);
        return memory;
    }

    /// <summary>
    /// packed[i][r] = rows[r][i] for i in 0 .. k - 1, transposed four by four. Where four do not divide the rows the last four go a second time.
    /// Fewer than four are written with one of them repeated: what is too much is overwritten by the next k.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float** rows, int count, int k, float* packed)
    {
        int whole = (count < Lanes ? Math.Max(0, k - Lanes) : k) / Lanes * Lanes;
        for (int row = 0; row < count && whole > 0; row += Lanes)
        {
            int first = Math.Max(0, Math.Min(row, count - Lanes)), last = count - 1;
            float* a = rows[first], b = rows[Math.Min(first + 1, last)], c = rows[Math.Min(first + 2, last)], d = rows[Math.Min(first + 3, last)];
            float* to = packed + first;
            for (int i = 0; i < whole; i += Lanes, to += Lanes * count)
            {
                var (ac0, ac1) = Zip(Vector128.Load(a + i), Vector128.Load(c + i));
                var (bd0, bd1) = Zip(Vector128.Load(b + i), Vector128.Load(d + i));
                var (k0, k1) = Zip(ac0, bd0);
                var (k2, k3) = Zip(ac1, bd1);
                k0.Store(to);
                k1.Store(to + count);
                k2.Store(to + (2 * count));
                k3.Store(to + (3 * count));
            }
        }
        for (int row = 0; row < count; row++)
        {
            float* from = rows[row], to = packed + row;
            for (int i = whole; i < k; i++)
                to[(nint)i * count] = from[i];
        }
    }

    // (a0, b0, a1, b1) and (a2, b2, a3, b3).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector128<float> Low, Vector128<float> High) Zip(Vector128<float> a, Vector128<float> b)
    {
        if (Sse.IsSupported)
            return (Sse.UnpackLow(a, b), Sse.UnpackHigh(a, b));
        if (AdvSimd.Arm64.IsSupported)
            return (AdvSimd.Arm64.ZipLow(a, b), AdvSimd.Arm64.ZipHigh(a, b));
        return (Vector128.Create(a[0], b[0], a[1], b[1]), Vector128.Create(a[2], b[2], a[3], b[3]));
    }
}
