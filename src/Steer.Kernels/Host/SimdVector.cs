namespace Steer.Kernels.Host;

/// <summary>
/// A vector of 32-bit lanes, float32 or integers: what a tile needs of one, so that tiles are written once for every width.
/// </summary>
internal unsafe interface ISimdVector<TSelf>
    where TSelf : struct, ISimdVector<TSelf>
{
    /// <summary>Lanes of a vector.</summary>
    static abstract int Count { get; }

    static abstract TSelf Broadcast(float value);

    static abstract TSelf BroadcastWord(int value);

    static abstract TSelf Load(float* source);

    /// <summary>(word >> shift) &amp; mask of each word.</summary>
    static abstract TSelf LoadBits(byte* source, int shift, uint mask);

    /// <summary>The bfloat16 in the upper half of each word, after a shift to the left by 0 or 16, widened.</summary>
    static abstract TSelf LoadBF16(byte* source, int left);

    /// <summary>The finite float16 in the upper half of each word, after a shift to the left by 0 or 16, widened.</summary>
    static abstract TSelf LoadF16(byte* source, int left);

    /// <summary>a * b + addend, rounded once.</summary>
    static abstract TSelf MultiplyAdd(TSelf a, TSelf b, TSelf addend);

    /// <summary>addend + a product of the lower and one of the upper 16-bit integers of each lane.</summary>
    static abstract TSelf MultiplyAddPairs(TSelf weights, TSelf x, TSelf addend);

    /// <summary>Integers as float32.</summary>
    static abstract TSelf ToSingle(TSelf integers);

    static abstract TSelf operator +(TSelf left, TSelf right);

    static abstract TSelf operator *(TSelf left, TSelf right);

    void Store(float* destination);
}

/// <summary>Constants of every width.</summary>
internal static class SimdConstants
{
    /// <summary>2^112: the bias of a float32's exponent less that of a float16's.</summary>
    public const float TwoTo112 = 5.192296858534828e33f;
}
