using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>How numbers of a cache become a vector of float32; exact, the scales of 8-bit numbers are not in it.</summary>
internal unsafe interface IKvNumbers
{
    /// <summary>Bytes of a number.</summary>
    static abstract int Size { get; }

    /// <summary>
    /// Numbers that lie side by side, of neighbouring columns of a key or neighbouring positions of a value: 1, or 2 where a vector is made of the
    /// halves of 32-bit words.
    /// </summary>
    static abstract int Depth { get; }

    /// <summary>The product of the upper half of a word is added first.</summary>
    static abstract bool UpperFirst { get; }

    /// <summary>Reads a vector of numbers: the lower (0) or upper (1) halves of words where there are two in one.</summary>
    static abstract TVector Load<TVector>(byte* source, int half)
        where TVector : struct, ISimdVector<TVector>;
}

/// <summary>float32.</summary>
internal readonly unsafe struct F32Numbers : IKvNumbers
{
    public static int Size
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => sizeof(float);
    }

    public static int Depth
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 1;
    }

    public static bool UpperFirst
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source, int half)
        where TVector : struct, ISimdVector<TVector> => TVector.Load((float*)source);
}

/// <summary>Pairs of bfloat16.</summary>
/// <typeparam name="TOrder">Which of the two is added first.</typeparam>
internal readonly unsafe struct BF16Numbers<TOrder> : IKvNumbers
    where TOrder : struct, IPairNumber
{
    public static int Size
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => sizeof(ushort);
    }

    public static int Depth
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2;
    }

    public static bool UpperFirst
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TOrder.UpperFirst;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source, int half)
        where TVector : struct, ISimdVector<TVector> => TOrder.Load<TVector>(source, 16 * (1 - half));
}

/// <summary>Signed bytes.</summary>
internal readonly unsafe struct Int8Numbers : IKvNumbers
{
    public static int Size
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => sizeof(sbyte);
    }

    public static int Depth
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 1;
    }

    public static bool UpperFirst
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source, int half)
        where TVector : struct, ISimdVector<TVector>
    {
        if (TVector.Count == Vector512<float>.Count)
        {
            var shorts = Vector256.WidenLower(Vector128.Load((sbyte*)source).ToVector256Unsafe());
            return As<Vector512<float>, TVector>(Vector512.ConvertToSingle(Vector512.WidenLower(shorts.ToVector512Unsafe())));
        }
        if (TVector.Count == Vector256<float>.Count)
        {
            var shorts = Vector128.WidenLower(Vector64.Load((sbyte*)source).ToVector128Unsafe());
            return As<Vector256<float>, TVector>(Vector256.ConvertToSingle(Vector256.WidenLower(shorts.ToVector256Unsafe())));
        }
        var bytes = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<int>(source)).AsSByte();
        return As<Vector128<float>, TVector>(Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(bytes))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector As<T, TVector>(T vector)
        where T : struct
        where TVector : struct => Unsafe.BitCast<T, TVector>(vector);
}
