using System.Numerics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>
/// An instruction that lanes of a warp do together: each waits until all that its mask names are there. Without a mask it is all of the warp.
/// </summary>
internal abstract unsafe class PtxConvergent(PtxStatement statement, PtxFrame frame) : PtxOperation(statement, frame)
{
    public sealed override PtxFlow Flow => PtxFlow.Convergent;

    /// <summary>Unit of the mask, or none.</summary>
    protected int Mask { get; init; } = -1;

    /// <summary>The lanes that do it with the active ones.</summary>
    public uint Members(PtxWarp warp)
    {
        if (Mask < 0)
            return uint.MaxValue;
        int first = BitOperations.TrailingZeroCount(warp.Active);
        return warp.Unit<uint>(Mask)[first];
    }
}

/// <summary>bar.warp.sync, and others of which nothing but the wait is seen here.</summary>
internal sealed class WarpBarrier : PtxConvergent
{
    public WarpBarrier(PtxStatement statement, PtxFrame frame)
        : base(statement, frame) => Mask = Source(0, 4);

    public override void Execute(PtxWarp warp)
    {
    }
}

/// <summary>shfl.sync: a value of another lane of the warp, or of the same segment of it ("Data Movement and Conversion Instructions: shfl.sync").</summary>
internal sealed unsafe class ShuffleOperation : PtxConvergent
{
    private readonly string _mode;
    private readonly int _d;
    private readonly int _p = -1;
    private readonly int _a;
    private readonly int _b;
    private readonly int _c;

    public ShuffleOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        _mode = statement.Mnemonic.Split('.')[2];
        string[] results = statement.Operands[0].Split('|');
        _d = Write(results[0], 4);
        if (results.Length > 1)
            _p = Write(results[1], 1);
        (_a, _b, _c) = (Source(1, 4), Source(2, 4), Source(3, 4));
        Mask = Source(4, 4);
    }

    public override void Execute(PtxWarp warp)
    {
        Span<uint> results = stackalloc uint[PtxWarp.Lanes];
        uint found = 0;
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            int b = (int)warp.Unit<uint>(_b)[lane] & 31, c = (int)warp.Unit<uint>(_c)[lane], segment = c >> 8 & 31;
            int most = (lane & segment) | (c & 31 & ~segment), least = lane & segment;
            (int source, bool inside) = _mode switch
            {
                "up" => (lane - b, lane - b >= most),
                "down" => (lane + b, lane + b <= most),
                "bfly" => (lane ^ b, (lane ^ b) <= most),
                "idx" => (least | (b & ~segment), (least | (b & ~segment)) <= most),
                _ => throw new FormatException(Statement.ToString()),
            };
            if (inside)
                found |= 1u << lane;
            else
                source = lane;
            if ((warp.Active >> source & 1) == 0)
                throw warp.Fault(lane, $"the value of lane {source}, which is not there");
            results[lane] = warp.Unit<uint>(_a)[source];
        }

        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            warp.Unit<uint>(_d)[lane] = results[lane];
        }

        if (_p >= 0)
            warp.SetPredicate(_p, found);
    }
}

/// <summary>vote.sync, match.any.sync and redux.sync: what the members' values are together.</summary>
internal sealed unsafe class VoteOperation : PtxConvergent
{
    private readonly string[] _parts;
    private readonly bool _predicateResult;
    private readonly int _d;
    private readonly (int Unit, uint Flip) _p;
    private readonly int _a = -1;

    public VoteOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        _parts = statement.Mnemonic.Split('.');
        _predicateResult = _parts[^1] == "pred";
        _d = Destination(0, _predicateResult ? 1 : 4);
        if (_parts[0] == "vote")
            _p = Predicate(1);
        else
            _a = Source(1, 4);
        Mask = Source(2, 4);
    }

    public override void Execute(PtxWarp warp)
    {
        uint active = warp.Active, votes = (warp.Predicate(_p.Unit) ^ _p.Flip) & active;
        if (_predicateResult)
        {
            bool holds = _parts[2] switch
            {
                "all" => votes == active,
                "any" => votes != 0,
                "uni" => votes == active || votes == 0,
                _ => throw new FormatException(Statement.ToString()),
            };
            warp.SetPredicate(_d, holds ? uint.MaxValue : 0);
            return;
        }

        Span<uint> values = new Span<uint>(warp.Unit<uint>(Math.Max(0, _a)), PtxWarp.Lanes).ToArray();
        for (uint lanes = active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            warp.Unit<uint>(_d)[lane] = _parts[0] switch
            {
                "vote" => votes,
                "match" => Matches(values, active, values[lane]),
                _ => Reduce(values, active),
            };
        }
    }

    private static uint Matches(ReadOnlySpan<uint> values, uint active, uint value)
    {
        uint same = 0;
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
            same |= (active >> lane & 1) != 0 && values[lane] == value ? 1u << lane : 0;
        return same;
    }

    private uint Reduce(ReadOnlySpan<uint> values, uint active)
    {
        uint? all = null;
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
        {
            if ((active >> lane & 1) == 0)
                continue;
            uint value = values[lane];
            all = all is not { } other ? value : (_parts[2], _parts[^1]) switch
            {
                ("add", _) => other + value,
                ("and", _) => other & value,
                ("or", _) => other | value,
                ("xor", _) => other ^ value,
                ("min", "u32") => Math.Min(other, value),
                ("max", "u32") => Math.Max(other, value),
                ("min", "s32") => (uint)Math.Min((int)other, (int)value),
                ("max", "s32") => (uint)Math.Max((int)other, (int)value),
                _ => throw new FormatException(Statement.ToString()),
            };
        }

        return all ?? 0;
    }
}

/// <summary>bar.sync and barrier.sync: threads of a group wait for so many of them, or for all.</summary>
internal class PtxBarrier : PtxOperation
{
    private readonly int _id;
    private readonly int _threads = -1;

    public PtxBarrier(PtxStatement statement, PtxFrame frame)
        : this(statement, frame, 0)
    {
    }

    protected PtxBarrier(PtxStatement statement, PtxFrame frame, int first)
        : base(statement, frame)
    {
        _id = Source(first, 4);
        if (first == 0 && statement.Operands.Count > 1)
            _threads = Source(1, 4);
    }

    public sealed override PtxFlow Flow => PtxFlow.Barrier;

    public unsafe int Id(PtxWarp warp) => (int)warp.Unit<uint>(_id)[BitOperations.TrailingZeroCount(warp.Active)];

    /// <summary>How many threads it takes; 0 for all of the group.</summary>
    public unsafe int Threads(PtxWarp warp) => _threads < 0 ? 0 : (int)warp.Unit<uint>(_threads)[BitOperations.TrailingZeroCount(warp.Active)];

    public override void Execute(PtxWarp warp)
    {
    }
}
