using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// x A^T of every adapter of a batch, see <see cref="LoraDeltaKernel"/>: a group of threads for each row and eight ranks. Threads share k among them and
/// add up what each has.
/// </summary>
internal static class LoraDownKernel
{
    /// <summary>Ranks of a group of threads.</summary>
    public const int Ranks = 8;

    private const int GroupThreads = 128;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<LoraBatch>(LoraDown)];

    public static void Run(IlgpuDevice device, LoraBatch batch, int rows, int rankGroups) => device.LaunchGroups(
        LoraDown, new Index3D(rows, rankGroups, batch.Count), device.GroupSize(GroupThreads), batch);

    internal static void LoraDown(LoraBatch p)
    {
        var reduce = GroupReduce.Create();
        LoraBatch.Segment segment = p[Grid.IdxZ];
        int row = Grid.IdxX, first = Grid.IdxY * Ranks;
        if (row >= segment.RowCount || first >= segment.Rank)
            return;
        float a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
        int k = p.X.Columns;
        for (int i = Group.IdxX; i < k; i += Group.DimX)
        {
            float x = p.X[segment.RowStart + row, i];
            a = KernelMath.FusedMultiplyAdd(x, segment.Down(first, i, k), a);
            b = KernelMath.FusedMultiplyAdd(x, segment.Down(first + 1, i, k), b);
            c = KernelMath.FusedMultiplyAdd(x, segment.Down(first + 2, i, k), c);
            d = KernelMath.FusedMultiplyAdd(x, segment.Down(first + 3, i, k), d);
            e = KernelMath.FusedMultiplyAdd(x, segment.Down(first + 4, i, k), e);
            f = KernelMath.FusedMultiplyAdd(x, segment.Down(first + 5, i, k), f);
            g = KernelMath.FusedMultiplyAdd(x, segment.Down(first + 6, i, k), g);
            h = KernelMath.FusedMultiplyAdd(x, segment.Down(first + 7, i, k), h);
        }

        Store(p, segment, row, first, reduce.Sum(a));
        Store(p, segment, row, first + 1, reduce.Sum(b));
        Store(p, segment, row, first + 2, reduce.Sum(c));
        Store(p, segment, row, first + 3, reduce.Sum(d));
        Store(p, segment, row, first + 4, reduce.Sum(e));
        Store(p, segment, row, first + 5, reduce.Sum(f));
        Store(p, segment, row, first + 6, reduce.Sum(g));
        Store(p, segment, row, first + 7, reduce.Sum(h));
    }

    private static void Store(LoraBatch p, LoraBatch.Segment segment, int row, int rank, double sum)
    {
        if (Group.IdxX == 0 && rank < segment.Rank)
            p.Low[segment.LowStart + ((long)row * segment.Rank) + rank] = (float)sum;
    }
}
