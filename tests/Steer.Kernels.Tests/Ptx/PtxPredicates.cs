using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>setp: p = a ? b, or with a predicate of its own and, or, xor joined to it; p|q also sets the opposite.</summary>
internal sealed unsafe class CompareOperation<T, TFunction> : PtxOperation
    where T : unmanaged
    where TFunction : IBinary<T>
{
    private readonly int _p;
    private readonly int _q = -1;
    private readonly int _a;
    private readonly int _b;
    private readonly string? _join;
    private readonly int _c;
    private readonly uint _flip;
    private readonly bool _opposite;

    /// <param name="statement">The text.</param>
    /// <param name="frame">Where operands are.</param>
    /// <param name="opposite">The result is what the function does not hold for.</param>
    public CompareOperation(PtxStatement statement, PtxFrame frame, bool opposite)
        : base(statement, frame)
    {
        string[] targets = statement.Operands[0].Split('|');
        _p = Write(targets[0], 1);
        if (targets.Length > 1)
            _q = Write(targets[1], 1);
        (_a, _b, _opposite) = (Source(1, sizeof(T)), Source(2, sizeof(T)), opposite);
        if (statement.Operands.Count > 3)
        {
            _join = statement.Mnemonic.Split('.')[2];
            (_c, _flip) = Predicate(3);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Execute(PtxWarp warp)
    {
        T* a = warp.Unit<T>(_a), b = warp.Unit<T>(_b);
        uint holds = 0;
        for (int i = 0; i < PtxWarp.Lanes; i += Vector256<T>.Count)
            holds |= TFunction.Of(Vector256.LoadAligned(a + i), Vector256.LoadAligned(b + i)).ExtractMostSignificantBits() << i;
        if (_opposite)
            holds = ~holds;
        uint other = _join is null ? 0 : warp.Predicate(_c) ^ _flip;
        warp.SetPredicate(_p, Join(holds, other));
        if (_q >= 0)
            warp.SetPredicate(_q, Join(~holds, other));
    }

    private uint Join(uint holds, uint other) => _join switch
    {
        null => holds,
        "and" => holds & other,
        "or" => holds | other,
        "xor" => holds ^ other,
        _ => throw new FormatException(Statement.ToString()),
    };
}

/// <summary>A function of predicates, a bit of each for a lane.</summary>
internal sealed class PredicateOperation : PtxOperation
{
    private readonly int _d;
    private readonly (int Unit, uint Flip) _a;
    private readonly (int Unit, uint Flip) _b;
    private readonly Func<uint, uint, uint> _function;

    public PredicateOperation(PtxStatement statement, PtxFrame frame, Func<uint, uint, uint> function)
        : base(statement, frame)
    {
        _d = Destination(0, 1);
        _a = Predicate(1);
        _b = statement.Operands.Count > 2 ? Predicate(2) : (PtxFrame.None, 0);
        _function = function;
    }

    public override void Execute(PtxWarp warp) =>
        warp.SetPredicate(_d, _function(warp.Predicate(_a.Unit) ^ _a.Flip, warp.Predicate(_b.Unit) ^ _b.Flip));
}

/// <summary>selp: d = p ? a : b.</summary>
internal sealed unsafe class SelectOperation<T> : PtxOperation
    where T : unmanaged
{
    private readonly int _d;
    private readonly int _a;
    private readonly int _b;
    private readonly (int Unit, uint Flip) _p;

    public SelectOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame) => (_d, _a, _b, _p) = (Destination(0, sizeof(T)), Source(1, sizeof(T)), Source(2, sizeof(T)), Predicate(3));

    public override void Execute(PtxWarp warp)
    {
        T* d = warp.Unit<T>(_d), a = warp.Unit<T>(_a), b = warp.Unit<T>(_b);
        uint chosen = warp.Predicate(_p.Unit) ^ _p.Flip;
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            d[lane] = (chosen >> lane & 1) != 0 ? a[lane] : b[lane];
        }
    }
}

/// <summary>Comparisons: all bits of an element where it holds, for which no NaN ever does.</summary>
internal static class Comparisons
{
    public readonly struct Equal<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.Equals(a, b);
    }

    public readonly struct Less<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.LessThan(a, b);
    }

    public readonly struct LessOrEqual<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.LessThanOrEqual(a, b);
    }

    public readonly struct Greater<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.GreaterThan(a, b);
    }

    public readonly struct GreaterOrEqual<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.GreaterThanOrEqual(a, b);
    }

    /// <summary>One is less than the other: neither is NaN.</summary>
    public readonly struct Unequal<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.LessThan(a, b) | Vector256.GreaterThan(a, b);
    }

    /// <summary>Neither is NaN.</summary>
    public readonly struct Ordered<T> : IBinary<T>
    {
        public static Vector256<T> Of(Vector256<T> a, Vector256<T> b) => Vector256.Equals(a, a) & Vector256.Equals(b, b);
    }
}
