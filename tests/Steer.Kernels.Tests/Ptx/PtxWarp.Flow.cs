using System.Numerics;
using System.Runtime.CompilerServices;

namespace Steer.Kernels.Tests.Ptx;

/// <content>
/// How lanes part at branches and meet again. Lanes that stand at one operation are a fragment; of several the one with the lowest place goes on, as operations lie in such
/// an order that those which lead to others come first (<see cref="PtxLayout"/>), but now and then another does: a card promises no order.
/// </content>
internal sealed partial class PtxWarp
{
    private readonly List<Fragment> _others = [];
    private int _pc;
    private uint _lanes;
    private bool _waits;

    // The present fragment goes on until it comes to another one, or so many operations are done.
    private int _meetsAt;
    private int _alone;

    /// <summary>Lanes that are not done.</summary>
    public uint Live { get; private set; }

    /// <summary>The barrier at which the whole warp waits for others, and for how many threads; -1 where it does not wait.</summary>
    public int Barrier { get; private set; }

    public int BarrierThreads { get; private set; }

    /// <summary>It can go on.</summary>
    public bool IsReady => Live != 0 && Barrier < 0;

    /// <summary>Places the lanes at the first operation.</summary>
    public void Start(uint lanes)
    {
        _others.Clear();
        _pc = _kernel.Entry;
        _lanes = Live = lanes;
        _waits = false;
        _meetsAt = int.MaxValue;
        _alone = int.MaxValue;
        Barrier = -1;
        ResetRegisters(lanes);
        _copies.Clear();
        Array.Clear(_stages);
    }

    /// <summary>Lets the warp go on behind a barrier.</summary>
    public void Release() => Barrier = -1;

    /// <summary>What the warp waits for, for a message.</summary>
    public string Describe() => Live == 0 ? $"warp {Index} is done" : $"warp {Index} at {string.Join(" and ", Places().Distinct())}";

    /// <summary>Does so many operations, fewer where it comes to a barrier or its end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(int operations)
    {
        PtxOperation[] program = _kernel.Operations;
        while (operations-- > 0)
        {
            if (_waits || _pc >= _meetsAt || --_alone < 0)
                ChooseFragment();
            PtxOperation operation = program[_pc];
            uint lanes = _lanes & (Predicate(operation.Guard) ^ operation.GuardFlip);
            if (operation.Guard != PtxFrame.None && (_lanes & ~_written[operation.Guard]) != 0)
                throw Uninitialised(operation.Guard, _lanes);
            foreach (int unit in operation.Reads)
            {
                if ((lanes & ~_written[unit]) != 0)
                    throw Uninitialised(unit, lanes);
            }

            switch (operation.Flow)
            {
                case PtxFlow.Straight:
                    if (lanes != 0)
                        Execute(operation, lanes);
                    _pc = operation.Next;
                    break;
                case PtxFlow.Branch:
                    Part(lanes, operation.Next);
                    if (lanes != 0)
                        _pc = operation.Target;
                    break;
                case PtxFlow.Exit:
                    Exit(lanes, operation);
                    if (Live == 0)
                        return;
                    break;
                case PtxFlow.Convergent:
                    Part(lanes, operation.Next);
                    if (lanes != 0)
                        Converge(operation);
                    break;
                default:
                    Part(lanes, operation.Next);
                    if (lanes != 0 && Arrive((PtxBarrier)operation))
                        return;
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Execute(PtxOperation operation, uint lanes)
    {
        SetActive(lanes);
        operation.Execute(this);
        foreach (int unit in operation.Writes)
            _written[unit] |= lanes;
    }

    // The lanes that are not among these go on at another place, as a fragment of their own; all of them, where these are none.
    private void Part(uint lanes, int place)
    {
        if (lanes == _lanes)
            return;
        if (lanes == 0)
        {
            _pc = place;
            return;
        }

        _others.Add(new Fragment(place, _lanes & ~lanes, Waits: false));
        _lanes = lanes;
        _alone = 0;
    }

    private void Exit(uint lanes, PtxOperation operation)
    {
        Live &= ~lanes;
        _lanes &= ~lanes;
        _pc = operation.Next;
        // Who waits for those that are done now waits for fewer.
        for (int i = 0; i < _others.Count; i++)
            _others[i] = _others[i] with { Waits = false };
        if (_lanes == 0 && Live != 0)
            TakeOther(NextFragment());
        _alone = 0;
    }

    // Waits until the lanes that the operation names are all here.
    private void Converge(PtxOperation operation)
    {
        SetActive(_lanes);
        uint members = ((PtxConvergent)operation).Members(this) & Live;
        if ((_lanes & ~members) != 0)
            throw Fault("a thread that its own mask leaves out");
        if ((members & ~_lanes) != 0)
        {
            _waits = true;
            return;
        }

        Execute(operation, _lanes);
        _pc = operation.Next;
    }

    // Waits until all lanes of the warp are here, then for other warps.
    private bool Arrive(PtxBarrier barrier)
    {
        if (_lanes != Live)
        {
            _waits = true;
            return false;
        }

        Execute(barrier, _lanes);
        Barrier = barrier.Id(this);
        BarrierThreads = barrier.Threads(this);
        _pc = barrier.Next;
        return true;
    }

    // Joins fragments that stand at one place, and picks one that does not wait.
    private void ChooseFragment()
    {
        _alone = int.MaxValue;
        _meetsAt = int.MaxValue;
        if (_others.Count > 0)
        {
            _others.Add(new Fragment(_pc, _lanes, _waits));
            Join();
            TakeOther(NextFragment());
        }

        if (_waits)
            throw Fault($"lanes wait for others that never come: {Describe()}");
    }

    private void Join()
    {
        for (int i = 0; i < _others.Count; i++)
        {
            for (int j = _others.Count - 1; j > i; j--)
            {
                if (_others[j].Pc != _others[i].Pc)
                    continue;
                _others[i] = new Fragment(_others[i].Pc, _others[i].Lanes | _others[j].Lanes, Waits: false);
                _others.RemoveAt(j);
            }
        }
    }

    private int NextFragment()
    {
        int lowest = -1;
        for (int i = 0; i < _others.Count; i++)
        {
            if (!_others[i].Waits && (lowest < 0 || _others[i].Pc < _others[lowest].Pc))
                lowest = i;
        }

        if (lowest >= 0 && _others.Count > 1 && Group.Random(16) == 0)
        {
            int other = Group.Random(_others.Count);
            if (!_others[other].Waits)
            {
                _alone = 1 + Group.Random(40);
                return other;
            }
        }

        return Math.Max(0, lowest);
    }

    private void TakeOther(int index)
    {
        (_pc, _lanes, _waits) = _others[index];
        _others.RemoveAt(index);
        if (_alone != int.MaxValue)
            return;
        foreach (Fragment other in _others)
        {
            // One that waits is met at its own place, and gone past where it lies lower.
            if (other.Pc > _pc)
                _meetsAt = Math.Min(_meetsAt, other.Pc);
        }
    }

    private PtxFaultException Uninitialised(int unit, uint lanes)
    {
        string name = _kernel.Frame.NameOf(unit);
        return Fault(BitOperations.TrailingZeroCount(lanes & ~_written[unit]), $"{name} is read, and nothing was written to it");
    }

    private IEnumerable<string> Places()
    {
        foreach (int pc in _others.Select(f => f.Pc).Prepend(_pc))
            yield return $"line {_kernel.Operations[pc].Statement.Line} ({_kernel.Operations[pc].Statement})";
    }

    private readonly record struct Fragment(int Pc, uint Lanes, bool Waits);
}
