using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>angles = scale * cos(p f_i), then scale * sin(p f_i).</summary>
internal unsafe struct RopeAnglesKernel : IRowKernel
{
    public int* Positions;
    public float* Frequencies;
    public float Scale;
    public HostMatrix Angles;

    /// <inheritdoc/>
    public readonly void Run(int row)
    {
        int half = Angles.Columns / 2;
        float* angles = Angles.Row(row);
        for (int i = 0; i < half; i++)
        {
            (float sin, float cos) = MathF.SinCos(Positions[row] * Frequencies[i]);
            angles[i] = Scale * cos;
            angles[half + i] = Scale * sin;
        }
    }
}

/// <summary>Rotates the heads of q and k and writes k and v into the cache.</summary>
internal unsafe struct RopeAndCacheKernel : IRowKernel
{
    public HostMatrix Q;
    public HostMatrix K;
    public HostMatrix V;

    /// <summary>Data is null where nothing is rotated.</summary>
    public HostMatrix Angles;
    public RopeLayout Layout;
    public int* Slots;
    public HostKvCache Cache;
    public int Layer;

    /// <inheritdoc/>
    public readonly void Run(int row)
    {
        int headDim = Cache.Shape.HeadDim;
        if ((uint)Slots[row] >= (uint)Cache.Shape.NumBlocks * KvCacheShape.BlockSize)
            throw new ArgumentException($"RopeAndCache: slot {Slots[row]} of a cache of {Cache.Shape.NumBlocks} blocks.");
        // The next row's lines come while this one is worked on; those of the first row of a part nobody has asked for yet.
        Fetch(row);
        Fetch(row + 1);
        if (Angles.Data is not null)
        {
            for (int start = 0; start < Q.Columns; start += headDim)
                Rotate(Q.Row(row) + start, Angles.Row(row), Angles.Columns / 2);
            for (int start = 0; start < K.Columns; start += headDim)
                Rotate(K.Row(row) + start, Angles.Row(row), Angles.Columns / 2);
        }
        for (int head = 0; head < Cache.Shape.NumKvHeads; head++)
            Cache.Write(Layer, head, Slots[row], K.Row(row) + (head * headDim), V.Row(row) + (head * headDim));
    }

    private readonly void Fetch(int row)
    {
        // Neighbouring rows of a prompt share the lines of a block.
        if (row >= Q.Rows || (row > 0 && Slots[row] / KvCacheShape.BlockSize == Slots[row - 1] / KvCacheShape.BlockSize))
            return;
        for (int head = 0; head < Cache.Shape.NumKvHeads; head++)
            Cache.Prefetch(Layer, head, Slots[row]);
    }

    private readonly void Rotate(float* head, float* angles, int half)
    {
        if (Layout == RopeLayout.Half)
            RotateHalves(head, angles, half);
        else
            RotatePairs(head, angles, half);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RotateHalves(float* head, float* angles, int half)
    {
        int i = 0;
        for (; i <= half - VectorMath.Lanes; i += VectorMath.Lanes)
        {
            var a = Vector256.Load(head + i);
            var b = Vector256.Load(head + half + i);
            var cos = Vector256.Load(angles + i);
            var sin = Vector256.Load(angles + half + i);
            Vector256.FusedMultiplyAdd(a, cos, -(b * sin)).Store(head + i);
            Vector256.FusedMultiplyAdd(b, cos, a * sin).Store(head + half + i);
        }
        for (; i < half; i++)
            RotatePair(ref head[i], ref head[half + i], angles[i], angles[half + i]);
    }

    private static void RotatePairs(float* head, float* angles, int half)
    {
        for (int i = 0; i < half; i++)
            RotatePair(ref head[2 * i], ref head[(2 * i) + 1], angles[i], angles[half + i]);
    }

    private static void RotatePair(ref float a, ref float b, float cos, float sin) =>
        (a, b) = (MathF.FusedMultiplyAdd(a, cos, -(b * sin)), MathF.FusedMultiplyAdd(b, cos, a * sin));
}
