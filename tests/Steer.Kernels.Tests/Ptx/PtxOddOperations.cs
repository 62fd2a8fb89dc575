using System.Numerics;

namespace Steer.Kernels.Tests.Ptx;

/// <summary>A branch, an end, or a fence, which changes nothing where memory has one order.</summary>
internal sealed class FlowOperation(PtxStatement statement, PtxFrame frame, PtxFlow flow) : PtxOperation(statement, frame)
{
    public override PtxFlow Flow => flow;

    public override void Execute(PtxWarp warp)
    {
    }
}

/// <summary>griddepcontrol: the launch before has ended, or the next one may begin, which is of no matter to this one.</summary>
internal sealed class LaunchOrderOperation(PtxStatement statement, PtxFrame frame) : PtxOperation(statement, frame)
{
    public bool Waits { get; } = statement.Mnemonic == "griddepcontrol.wait";

    public override void Execute(PtxWarp warp)
    {
        if (Waits)
            warp.WaitForPrevious();
    }
}

/// <summary>testp: what kind of number it is.</summary>
internal sealed unsafe class TestOperation : PtxOperation
{
    private readonly int _p;
    private readonly int _a;
    private readonly Func<float, bool> _function;

    public TestOperation(PtxStatement statement, PtxFrame frame, Func<float, bool> function)
        : base(statement, frame) => (_p, _a, _function) = (Destination(0, 1), Source(1, 4), function);

    public override void Execute(PtxWarp warp)
    {
        uint holds = 0;
        for (int lane = 0; lane < PtxWarp.Lanes; lane++)
            holds |= _function(warp.Unit<float>(_a)[lane]) ? 1u << lane : 0;
        warp.SetPredicate(_p, holds);
    }
}

/// <summary>mov of a vector into the parts of a register, the lowest first, and back.</summary>
internal sealed unsafe class PackOperation : PtxOperation
{
    private readonly int[] _parts;
    private readonly int _whole;
    private readonly bool _wide;
    private readonly int _bits;
    private readonly bool _pack;

    public PackOperation(PtxStatement statement, PtxFrame frame)
        : base(statement, frame)
    {
        _wide = statement.Mnemonic.EndsWith("64", StringComparison.Ordinal);
        _pack = statement.Operands[1].StartsWith('{');
        int whole = _wide ? 8 : 4;
        if (_pack)
            (_parts, _whole) = (Sources(1, 4), Destination(0, whole));
        else
            (_whole, _parts) = (Source(1, whole), Destinations(0, 4));
        _bits = 8 * whole / _parts.Length;
    }

    public override void Execute(PtxWarp warp)
    {
        ulong mask = _bits == 32 ? uint.MaxValue : (1UL << _bits) - 1;
        for (uint lanes = warp.Active; lanes != 0; lanes &= lanes - 1)
        {
            int lane = BitOperations.TrailingZeroCount(lanes);
            ulong all = _pack ? 0 : _wide ? warp.Unit<ulong>(_whole)[lane] : warp.Unit<uint>(_whole)[lane];
            for (int i = 0; i < _parts.Length; i++)
            {
                uint* part = warp.Unit<uint>(_parts[i]) + lane;
                if (_pack)
                    all |= (*part & mask) << (_bits * i);
                else
                    *part = (uint)(all >> (_bits * i) & mask);
            }

            if (_pack && _wide)
                warp.Unit<ulong>(_whole)[lane] = all;
            else if (_pack)
                warp.Unit<uint>(_whole)[lane] = (uint)all;
        }
    }
}
