using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>How numbers of a cache become a vector of float32; exact, the scales of 8-bit numbers are not in it.</summary>
internal unsafe interface IKvNumbers
{
    /// <summary>Bytes of a number.</summary>
    static abstract int Size { get; }

    /// <summary>Reads as many numbers as the vector has lanes.</summary>
    static abstract TVector Load<TVector>(byte* source)
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source)
        where TVector : struct, ISimdVector<TVector> => TVector.Load((float*)source);
}

/// <summary>bfloat16: the upper halves of float32.</summary>
internal readonly unsafe struct BF16Numbers : IKvNumbers
{
    public static int Size
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => sizeof(ushort);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source)
        where TVector : struct, ISimdVector<TVector>
    {
        if (TVector.Count == Vector512<float>.Count)
            return As<Vector512<float>, TVector>((Vector512.WidenLower(Vector256.Load((ushort*)source).ToVector512Unsafe()) << 16).AsSingle());
        if (TVector.Count == Vector256<float>.Count)
            return As<Vector256<float>, TVector>((Vector256.WidenLower(Vector128.Load((ushort*)source).ToVector256Unsafe()) << 16).AsSingle());
        return As<Vector128<float>, TVector>((Vector128.WidenLower(Vector64.Load((ushort*)source).ToVector128Unsafe()) << 16).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector As<T, TVector>(T vector)
        where T : struct
        where TVector : struct => Unsafe.BitCast<T, TVector>(vector);
}

/// <summary>Signed bytes.</summary>
internal readonly unsafe struct Int8Numbers : IKvNumbers
{
    public static int Size
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => sizeof(sbyte);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Load<TVector>(byte* source)
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
