using System.Numerics;
using System.Runtime.CompilerServices;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>A function from one type to another, for a lane.</summary>
internal interface IConversion<TFrom, TTo>
{
    static abstract TTo Of(TFrom a);
}

/// <summary>A function of two values, for a lane.</summary>
internal interface IPair<TFrom, TTo>
{
    static abstract TTo Of(TFrom a, TFrom b);
}

/// <summary>d = f(a), lane by lane, from one type to another.</summary>
internal sealed unsafe class ConversionOperation<TFrom, TTo, TFunction> : PtxOperation
    where TFrom : unmanaged
    where TTo : unmanaged
    where TFunction : IConversion<TFrom, TTo>
{
    private readonly int _d;
    private readonly int _a;

    public ConversionOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame) => (_d, _a) = (Destination(0, sizeof(TTo)), Source(1, sizeof(TFrom)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        TTo* d = warp.Unit<TTo>(_d);
        TFrom* a = warp.Unit<TFrom>(_a);
        if (warp.Active == uint.MaxValue && _d != _a)
        {
            for (int lane = 0; lane < PtxWarp.Lanes; lane++)
                d[lane] = TFunction.Of(a[lane]);
            return;
        }

        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            d[lane] = TFunction.Of(a[lane]);
        }
    }
}

/// <summary>d = f(a, b), lane by lane.</summary>
internal sealed unsafe class PairOperation<TFrom, TTo, TFunction> : PtxOperation
    where TFrom : unmanaged
    where TTo : unmanaged
    where TFunction : IPair<TFrom, TTo>
{
    private readonly int _d;
    private readonly int _a;
    private readonly int _b;

    public PairOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame) => (_d, _a, _b) = (Destination(0, sizeof(TTo)), Source(1, sizeof(TFrom)), Source(2, sizeof(TFrom)));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        TTo* d = warp.Unit<TTo>(_d);
        TFrom* a = warp.Unit<TFrom>(_a), b = warp.Unit<TFrom>(_b);
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            d[lane] = TFunction.Of(a[lane], b[lane]);
        }
    }
}

/// <summary>shl and shr: by a count of 32 bits, whatever is shifted; what is shifted by its width or more has nothing of it left but its sign.</summary>
internal sealed unsafe class ShiftOperation<T> : PtxOperation
    where T : unmanaged, IBinaryInteger<T>
{
    private readonly int _d;
    private readonly int _a;
    private readonly int _count;
    private readonly bool _left;

    public ShiftOperation(PtxStatement statement, PtxFrame frame, bool left)
        : base(statement, frame) => (_d, _a, _count, _left) = (Destination(0, sizeof(T)), Source(1, sizeof(T)), Source(2, 4), left);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        T* d = warp.Unit<T>(_d), a = warp.Unit<T>(_a);
        uint* counts = warp.Unit<uint>(_count);
        int bits = 8 * sizeof(T);
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            int count = (int)Math.Min(counts[lane], (uint)bits);
            int half = count / 2;
            d[lane] = _left ? a[lane] << half << (count - half) : a[lane] >> half >> (count - half);
        }
    }
}

/// <summary>A rare instruction: a function of the bits of up to three operands, for a lane.</summary>
internal sealed unsafe class LaneOperation : PtxOperation
{
    private readonly int _d;
    private readonly bool _wide;
    private readonly (int Unit, bool Wide)[] _operands;
    private readonly Func<ulong, ulong, ulong, ulong> _function;

    /// <param name="statement">The text.</param>
    /// <param name="frame">Where operands are.</param>
    /// <param name="bytes">Of the result and of each operand: 4 or 8.</param>
    /// <param name="function">What it does.</param>
    public LaneOperation(PtxStatement statement, PtxFrame frame, int[] bytes, Func<ulong, ulong, ulong, ulong> function)
        : base(statement, frame)
    {
        _d = Destination(0, bytes[0]);
        _wide = bytes[0] == 8;
        _operands = [.. bytes.Skip(1).Select((b, i) => (Source(i + 1, b), b == 8)), .. Enumerable.Repeat((PtxFrame.None, false), 4 - bytes.Length)];
        _function = function;
    }

    public override void Execute(PtxWarp warp)
    {
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            ulong value = _function(Operand(warp, 0, lane), Operand(warp, 1, lane), Operand(warp, 2, lane));
            if (_wide)
                warp.Unit<ulong>(_d)[lane] = value;
            else
                warp.Unit<uint>(_d)[lane] = (uint)value;
        }
    }

    private ulong Operand(PtxWarp warp, int index, int lane)
    {
        (int unit, bool wide) = _operands[index];
        return wide ? warp.Unit<ulong>(unit)[lane] : warp.Unit<uint>(unit)[lane];
    }
}

/// <summary>The functions.</summary>
internal static class Scalars
{
    public readonly struct SignExtend : IConversion<int, long>
    {
        public static long Of(int a) => a;
    }

    public readonly struct ZeroExtend : IConversion<uint, ulong>
    {
        public static ulong Of(uint a) => a;
    }

    public readonly struct Truncate : IConversion<ulong, uint>
    {
        public static uint Of(ulong a) => (uint)a;
    }

    public readonly struct IntToFloat : IConversion<int, float>
    {
        public static float Of(int a) => a;
    }

    public readonly struct IntToDouble : IConversion<int, double>
    {
        public static double Of(int a) => a;
    }

    public readonly struct FloatToDouble : IConversion<float, double>
    {
        public static double Of(float a) => a;
    }

    public readonly struct DoubleToFloat : IConversion<double, float>
    {
        public static float Of(double a) => (float)a;
    }

    /// <summary>Towards zero and into the range; NaN is 0.</summary>
    public readonly struct FloatToInt : IConversion<float, int>
    {
        public static int Of(float a) => (int)a;
    }

    public readonly struct Multiply<TFrom, TTo> : IPair<TFrom, TTo>
        where TFrom : IBinaryInteger<TFrom>
        where TTo : IBinaryInteger<TTo>
    {
        public static TTo Of(TFrom a, TFrom b) => TTo.CreateTruncating(a) * TTo.CreateTruncating(b);
    }

    /// <summary>Towards zero; by zero all bits are set, as on cards.</summary>
    public readonly struct Quotient<T> : IPair<T, T>
        where T : IBinaryInteger<T>
    {
        public static T Of(T a, T b) => T.IsZero(b) ? ~T.Zero : b == ~T.Zero && T.IsNegative(b) ? T.Zero - a : a / b;
    }

    public readonly struct Remainder<T> : IPair<T, T>
        where T : IBinaryInteger<T>
    {
        public static T Of(T a, T b) => T.IsZero(b) ? a : b == ~T.Zero && T.IsNegative(b) ? T.Zero : a % b;
    }
}
