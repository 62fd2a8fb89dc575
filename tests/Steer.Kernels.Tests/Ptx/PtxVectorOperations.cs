using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>A function of one value of each lane, for some lanes at a time.</summary>
internal interface IUnary<T>
{
    static abstract Vector256<T> Of(Vector256<T> a);
}

/// <summary>A function of two values of each lane.</summary>
internal interface IBinary<T>
{
    static abstract Vector256<T> Of(Vector256<T> a, Vector256<T> b);
}

/// <summary>A function of three values of each lane.</summary>
internal interface ITernary<T>
{
    static abstract Vector256<T> Of(Vector256<T> a, Vector256<T> b, Vector256<T> c);
}

/// <summary>d = f(a).</summary>
internal sealed unsafe class UnaryOperation<T, TFunction> : PtxOperation
    where T : unmanaged
    where TFunction : IUnary<T>
{
    private readonly int _d;
    private readonly int _a;

    public UnaryOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame) => (_d, _a) = (Destination(0, sizeof(T)), Source(1, sizeof(T)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        T* d = warp.Unit<T>(_d), a = warp.Unit<T>(_a), mask = warp.Mask<T>();
        for (int i = 0; i < PtxWarp.Lanes; i += Vector256<T>.Count)
        {
            Vector256<T> value = TFunction.Of(Vector256.LoadAligned(a + i));
            Vector256.ConditionalSelect(Vector256.LoadAligned(mask + i), value, Vector256.LoadAligned(d + i)).StoreAligned(d + i);
        }
    }
}

/// <summary>d = f(a, b).</summary>
internal sealed unsafe class BinaryOperation<T, TFunction> : PtxOperation
    where T : unmanaged
    where TFunction : IBinary<T>
{
    private readonly int _d;
    private readonly int _a;
    private readonly int _b;

    public BinaryOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame) => (_d, _a, _b) = (Destination(0, sizeof(T)), Source(1, sizeof(T)), Source(2, sizeof(T)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        T* d = warp.Unit<T>(_d), a = warp.Unit<T>(_a), b = warp.Unit<T>(_b), mask = warp.Mask<T>();
        for (int i = 0; i < PtxWarp.Lanes; i += Vector256<T>.Count)
        {
            Vector256<T> value = TFunction.Of(Vector256.LoadAligned(a + i), Vector256.LoadAligned(b + i));
            Vector256.ConditionalSelect(Vector256.LoadAligned(mask + i), value, Vector256.LoadAligned(d + i)).StoreAligned(d + i);
        }
    }
}

/// <summary>d = f(a, b, c).</summary>
internal sealed unsafe class TernaryOperation<T, TFunction> : PtxOperation
    where T : unmanaged
    where TFunction : ITernary<T>
{
    private readonly int _d;
    private readonly int _a;
    private readonly int _b;
    private readonly int _c;

    public TernaryOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame) =>
        (_d, _a, _b, _c) = (Destination(0, sizeof(T)), Source(1, sizeof(T)), Source(2, sizeof(T)), Source(3, sizeof(T)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        T* d = warp.Unit<T>(_d), a = warp.Unit<T>(_a), b = warp.Unit<T>(_b), c = warp.Unit<T>(_c), mask = warp.Mask<T>();
        for (int i = 0; i < PtxWarp.Lanes; i += Vector256<T>.Count)
        {
            Vector256<T> value = TFunction.Of(Vector256.LoadAligned(a + i), Vector256.LoadAligned(b + i), Vector256.LoadAligned(c + i));
            Vector256.ConditionalSelect(Vector256.LoadAligned(mask + i), value, Vector256.LoadAligned(d + i)).StoreAligned(d + i);
        }
    }
}

/// <summary>The functions.</summary>
internal static class Vectors
{
    public readonly struct Copy<T> : IUnary<T>
    {
        public static Vector256<T> Of(Vector256<T> a) => a;
    }

    public readonly struct Not<T> : IUnary<T>
    {
        public static Vector256<T> Of(Vector256<T> a) => ~a;
    }

    public readonly struct Negate<T> : IUnary<T>
    {
        public static Vector256<T> Of(Vector256<T> a) => -a;
    }

    public readonly struct Absolute<T> : IUnary<T>
    {
        public static Vector256<T> Of(Vector256<T> a) => Vector256.Abs(a);
    }

    public readonly struct SquareRoot<T> : IUnary<T>
    {
        public static Vector256<T> Of(Vector256<T> a) => Vector256.Sqrt(a);
    }

    public readonly struct Reciprocal<T> : IUnary<T>
        where T : INumber<T>
    {
        public static Vector256<T> Of(Vector256<T> a) => Vector256<T>.One / a;
    }

    public readonly struct Add<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => a + b;
    }

    public readonly struct Subtract<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => a - b;
    }

    public readonly struct Multiply<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => a * b;
    }

    /// <summary>Of floating point numbers: rounded as IEEE 754 says, as div.rn is.</summary>
    public readonly struct Divide<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => a / b;
    }

    public readonly struct And<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => a & b;
    }

    public readonly struct Or<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => a | b;
    }

    public readonly struct Xor<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => a ^ b;
    }

    /// <summary>The smaller one; of a NaN and a number the number, and -0 is smaller than 0.</summary>
    public readonly struct Min<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.MinNumber(a, b);
    }

    /// <summary>The larger one; of a NaN and a number the number.</summary>
    public readonly struct Max<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.MaxNumber(a, b);
    }

    public readonly struct MultiplyAdd<T> : ITernary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b, Vector256<T> c) => (a * b) + c;
    }

    /// <summary>a * b + c, rounded once; of floating point numbers.</summary>
    public readonly struct Fused<T> : ITernary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b, Vector256<T> c) => typeof(T) == typeof(float)
            ? Vector256.FusedMultiplyAdd(a.AsSingle(), b.AsSingle(), c.AsSingle()).As<float, T>()
            : Vector256.FusedMultiplyAdd(a.AsDouble(), b.AsDouble(), c.AsDouble()).As<double, T>();
    }

    /// <summary>a * b - c.</summary>
    public readonly struct FusedLess<T> : ITernary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b, Vector256<T> c) => Fused<T>.Of(a, b, -c);
    }

    /// <summary>c - a * b.</summary>
    public readonly struct FusedFrom<T> : ITernary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b, Vector256<T> c) => Fused<T>.Of(-a, b, c);
    }
}
