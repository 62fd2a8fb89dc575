using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Sums of a group's tokens in 16 bins. With no atomic additions they have one order, that of the tokens' places, whatever the number of threads:
/// a bin has cells, and a token adds to the one of its place, which no other thread uses.
/// </summary>
internal readonly struct GuideBins
{
    /// <summary>Bins.</summary>
    public const int Count = 16;

    /// <summary>Cells of a bin; a multiple of every number of threads.</summary>
    public const int Cells = GroupReduce.MaxThreads;

    private const int Parts = 32;

    // One more than parts, so that threads that each add up a bin read from different banks.
    private const int PartsPitch = Parts + 1;

    private readonly ArrayView<float> _cells;
    private readonly ArrayView<double> _sums;

    private GuideBins(ArrayView<float> cells, ArrayView<double> sums)
    {
        _cells = cells;
        _sums = sums;
    }

    /// <summary>Takes the shared memory for it; once in a kernel.</summary>
    public static GuideBins Create() =>
        new(SharedMemory.Allocate<float>(Count * Cells), SharedMemory.Allocate<double>((Count * PartsPitch) + Count));

    /// <summary>The cells, for other uses between two rounds [Count * Cells].</summary>
    public ArrayView<float> Memory => _cells;

    /// <summary>Begins a round of tokens whose places are below <paramref name="places"/>.</summary>
    public void Clear(int places)
    {
        int cells = Math.Min(places, Cells);
        for (int bin = 0; bin < Count; bin++)
        {
            for (int cell = Group.IdxX; cell < cells; cell += Group.DimX)
                _cells[(bin * Cells) + cell] = 0;
        }
    }

    /// <summary>Adds a token; a place belongs to thread place % threads.</summary>
    public void Add(int bin, int place, float value) => _cells[(bin * Cells) + (place % Cells)] += value;

    /// <summary>Ends the round: every thread may read the sums, and use the memory.</summary>
    public void Finish(int places)
    {
        int cells = Math.Min(places, Cells);
        Group.Barrier();
        for (int i = Group.IdxX; i < Count * Parts; i += Group.DimX)
        {
            int bin = i / Parts, part = i % Parts;
            double sum = 0;
            for (int cell = part; cell < cells; cell += Parts)
                sum += _cells[(bin * Cells) + cell];
            _sums[(bin * PartsPitch) + part] = sum;
        }

        Group.Barrier();
        for (int bin = Group.IdxX; bin < Count; bin += Group.DimX)
        {
            double sum = 0;
            for (int part = 0; part < Parts; part++)
                sum += _sums[(bin * PartsPitch) + part];
            _sums[(Count * PartsPitch) + bin] = sum;
        }

        Group.Barrier();
    }

    /// <summary>The sum of a bin.</summary>
    public double this[int bin] => _sums[(Count * PartsPitch) + bin];
}
