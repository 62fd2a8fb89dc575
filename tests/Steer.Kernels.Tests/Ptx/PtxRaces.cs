namespace Steer.Kernels.Tests.Ptx;

/// <summary>What is done with memory.</summary>
internal enum PtxAccessKind
{
    Read,
    Write,

    /// <summary>A read and a write with no other between: of no harm to others of its kind.</summary>
    Atomic,

    /// <summary>The read that an asynchronous copy begins with.</summary>
    Prefetch,
}

/// <summary>
/// Finds what no order of warps makes right: one warp writes bytes of shared memory that another reads or writes, with no barrier of the group between. Kept for each word:
/// who touched which of its bytes since the last barrier.
/// </summary>
internal sealed class PtxRaces(int bytes)
{
    private readonly Word[] _words = new Word[(bytes + 3) / 4];
    private int _epoch;

    /// <summary>All warps have met: what was done before is seen by all that is done after.</summary>
    public void Meet() => _epoch++;

    /// <summary>Notes an access; says with what it is in conflict, or nothing.</summary>
    public string? Find(int offset, int length, int warp, PtxAccessKind kind)
    {
        for (int at = offset; at < offset + length; at += 4)
        {
            byte mask = length >= 4 ? (byte)15 : (byte)(((1 << length) - 1) << (at & 3));
            ref Word word = ref _words[at >> 2];
            if (word.Epoch != _epoch)
                word = new Word { Epoch = _epoch };
            uint self = 1u << warp;
            bool written = (word.Written & mask) != 0 && (word.Writers & ~self) != 0;
            bool read = kind != PtxAccessKind.Read && (word.Read & mask) != 0 && (word.Readers & ~self) != 0;
            bool updated = kind != PtxAccessKind.Atomic && word.Updated && (word.Updaters & ~self) != 0;
            if (written || read || updated)
                return $"shared memory at {at} is touched ({kind}) by warp {warp}, and by another ({(read ? PtxAccessKind.Read : PtxAccessKind.Write)}) with no barrier between";
            switch (kind)
            {
                case PtxAccessKind.Read:
                    word.Read |= mask;
                    word.Readers |= self;
                    break;
                case PtxAccessKind.Write:
                    word.Written |= mask;
                    word.Writers |= self;
                    break;
                default:
                    word.Updated = true;
                    word.Updaters |= self;
                    break;
            }
        }

        return null;
    }

    private struct Word
    {
        public int Epoch;
        public uint Readers;
        public uint Writers;
        public uint Updaters;
        public byte Read;
        public byte Written;
        public bool Updated;
    }
}
