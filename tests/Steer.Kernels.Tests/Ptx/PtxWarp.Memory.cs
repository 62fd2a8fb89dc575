using System.Runtime.CompilerServices;

namespace Steer.Kernels.Tests.Ptx;

/// <content>From addresses to memory, with every check that a card makes, and those that it spares.</content>
internal sealed unsafe partial class PtxWarp
{
    // The range of the last access: the next one is most often there too.
    private ulong _rangeStart;
    private ulong _rangeEnd;
    private uint _waited;

    /// <summary>The active lanes know that the launch before has ended.</summary>
    public void WaitForPrevious() => _waited |= Active;

    // Nobody has waited; a kernel that never does follows the end of the launch before.
    private void ResetOrder()
    {
        _waited = _kernel.WaitsForPrevious ? 0 : uint.MaxValue;
        _rangeStart = _rangeEnd = 0;
    }

    /// <summary>Where so many bytes at an address are.</summary>
    /// <param name="lane">Who asks.</param>
    /// <param name="space">Which memory the instruction names.</param>
    /// <param name="address">The address in that space.</param>
    /// <param name="bytes">A power of two, of which the address is a multiple.</param>
    /// <param name="kind">What is done there.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte* Locate(int lane, PtxSpace space, ulong address, int bytes, PtxAccessKind kind)
    {
        if ((address & (ulong)(bytes - 1)) != 0)
            throw Fault(lane, $"the address 0x{address:x} is no multiple of {bytes}");
        return space == PtxSpace.Global && address >= _rangeStart && address + (ulong)bytes <= _rangeEnd
            ? (byte*)address
            : LocateOther(lane, space, address, bytes, kind);
    }

    private byte* LocateOther(int lane, PtxSpace space, ulong address, int bytes, PtxAccessKind kind)
    {
        if (space == PtxSpace.Generic)
            space = PtxSpaces.Resolve(ref address);
        int thread = (Index * Lanes) + lane;
        switch (space)
        {
            case PtxSpace.Shared:
                ulong offset = address - PtxSpaces.SharedBase;
                if (offset > (ulong)Group.SharedBytes || offset + (ulong)bytes > (ulong)Group.SharedBytes)
                    throw Fault(lane, $"{bytes} bytes at {(long)offset} of shared memory, where the group has {Group.SharedBytes}");
                if (Group.Races.Find((int)offset, bytes, Index, kind) is { } race)
                    throw Fault(lane, race);
                return Group.Shared + offset;
            case PtxSpace.Local:
                ulong place = address - PtxSpaces.LocalBase;
                if (place > (ulong)_kernel.Frame.LocalBytes || place + (ulong)bytes > (ulong)_kernel.Frame.LocalBytes)
                    throw Fault(lane, $"{bytes} bytes at {(long)place} of local memory, where a thread has {_kernel.Frame.LocalBytes}");
                return Group.Local + ((long)thread * _kernel.Frame.LocalBytes) + place;
            default:
                (ulong start, ulong end) = Group.Launch.Memory.Find(address);
                if (address < start || address + (ulong)bytes > end)
                    throw Fault(lane, $"{bytes} bytes at 0x{address:x}, where nothing is allocated");
                if ((_waited >> lane & 1) == 0 && kind != PtxAccessKind.Prefetch)
                    throw Fault(lane, "the launch before may not have ended: memory is touched before the wait for it");
                if ((Live & ~_waited) == 0)
                    (_rangeStart, _rangeEnd) = (start, end);
                return (byte*)address;
        }
    }
}
