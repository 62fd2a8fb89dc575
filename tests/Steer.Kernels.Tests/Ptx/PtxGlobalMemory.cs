namespace Steer.Kernels.Tests.Ptx;

/// <summary>What is allocated on a device: ranges of addresses, ascending.</summary>
internal sealed class PtxGlobalMemory(IEnumerable<(long Start, long Bytes)> ranges)
{
    private readonly (ulong Start, ulong End)[] _ranges = [.. ranges.OrderBy(r => r.Start).Select(r => ((ulong)r.Start, (ulong)(r.Start + r.Bytes)))];

    /// <summary>The range in which an address lies; an empty one where it lies in none.</summary>
    public (ulong Start, ulong End) Find(ulong address)
    {
        int low = 0, high = _ranges.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_ranges[middle].End <= address)
                low = middle + 1;
            else
                high = middle;
        }

        return low < _ranges.Length && _ranges[low].Start <= address ? _ranges[low] : default;
    }
}
