using System.Numerics;

namespace Steer.Kernels.Tests.Ptx;

/// <content>
/// Asynchronous copies, as late as a card may make them: the bytes arrive when their thread waits for them, and until then their place holds garbage. So a wait that is
/// missing, or comes too early, is seen.
/// </content>
internal sealed unsafe partial class PtxWarp
{
    private readonly List<Copy> _copies = [];
    private readonly int[] _stages = new int[Lanes];

    /// <summary>A lane has memory come closer.</summary>
    public void Prefetch(int lane, ulong source) => Locate(lane, PtxSpace.Global, source, 1, PtxAccessKind.Prefetch);

    /// <summary>Begins a copy of a lane.</summary>
    public void BeginCopy(int lane, ulong target, ulong source, int bytes, int sourceBytes)
    {
        byte* place = Locate(lane, PtxSpace.Shared, target, bytes, PtxAccessKind.Write);
        if (sourceBytes > 0)
            Locate(lane, PtxSpace.Global, source, bytes, PtxAccessKind.Prefetch);
        new Span<byte>(place, bytes).Fill(PtxGroup.Garbage);
        _copies.Add(new Copy(lane, _stages[lane], target, source, bytes, sourceBytes));
    }

    /// <summary>Ends a stage of each active lane's copies.</summary>
    public void EndStage()
    {
        for (uint lanes = Active; lanes != 0; lanes &= lanes - 1)
            _stages[BitOperations.TrailingZeroCount(lanes)]++;
    }

    /// <summary>Makes all copies of the active lanes but those of their newest stages; all where that is negative.</summary>
    public void FinishCopies(int pending)
    {
        int kept = 0;
        for (int i = 0; i < _copies.Count; i++)
        {
            Copy copy = _copies[i];
            bool due = (Active >> copy.Lane & 1) != 0 && (pending < 0 || copy.Stage < _stages[copy.Lane] - pending);
            if (!due)
            {
                _copies[kept++] = copy;
                continue;
            }

            byte* place = Locate(copy.Lane, PtxSpace.Shared, copy.Target, copy.Bytes, PtxAccessKind.Write);
            new Span<byte>(place, copy.Bytes).Clear();
            if (copy.SourceBytes > 0)
                new Span<byte>(Locate(copy.Lane, PtxSpace.Global, copy.Source, copy.Bytes, PtxAccessKind.Read), copy.SourceBytes).CopyTo(new Span<byte>(place, copy.Bytes));
        }

        _copies.RemoveRange(kept, _copies.Count - kept);
    }

    private readonly record struct Copy(int Lane, int Stage, ulong Target, ulong Source, int Bytes, int SourceBytes);
}
