using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.LoraDelta"/>: all adapters of a batch in two launches, as many segments at a time as fit into a kernel's parameters.
/// <see cref="LoraDownKernel"/> makes the parts of x A^T, <see cref="LoraUpKernel"/> adds them up and makes the rest. Orders of sums depend on k and
/// the rank alone.
/// </summary>
internal static class LoraProduct
{
    /// <summary>
    /// Groups of threads that keep a multiprocessor busy: where there are more blocks of rows, a group takes several and has its matrix at hand.
    /// </summary>
    private const int EnoughGroups = 8;

    /// <param name="device">Where to run.</param>
    /// <param name="x">[rows, k].</param>
    /// <param name="groups">Rows and their adapters.</param>
    /// <param name="y">[rows, n].</param>
    /// <param name="multiprocessors">How many groups of threads work at once at least.</param>
    public static void Run(IlgpuDevice device, Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y, int multiprocessors)
    {
        var batch = new LoraBatch(x, y);
        foreach (LoraGroup group in groups)
        {
            foreach (IlgpuLora.Segment segment in ((IlgpuLora)group.Weight).Segments)
            {
                if (group.RowCount == 0 || segment.Columns == 0)
                    continue;
                if (batch.Count == LoraBatch.MaxSegments)
                {
                    Launch(device, batch, multiprocessors);
                    batch.Count = 0;
                }

                batch[batch.Count++] = segment.View(group.RowStart, group.RowCount);
            }
        }

        Launch(device, batch, multiprocessors);
    }

    private static void Launch(IlgpuDevice device, LoraBatch batch, int multiprocessors)
    {
        int rows = 0, rank = 0, columns = 0;
        long low = 0;
        for (int i = 0; i < batch.Count; i++)
        {
            LoraBatch.Segment segment = batch[i];
            (rows, rank, columns) = (Math.Max(rows, segment.RowCount), Math.Max(rank, segment.Rank), Math.Max(columns, segment.Columns));
            batch[i] = segment with { LowStart = low };
            low += (long)segment.RowCount * segment.Rank * batch.PartStride;
        }

        batch.Low = device.Scratch(ScratchUse.Lora, low).View;
        LoraDownKernel.Run(device, batch, rows, rank, EnoughGroups * multiprocessors);
        LoraUpKernel.Run(device, batch, rows, columns, EnoughGroups * multiprocessors);
    }

    /// <summary>Rows that a group of threads takes, whole blocks, so that there are enough groups.</summary>
    /// <param name="rows">Rows of a segment.</param>
    /// <param name="groups">Groups that share a block of rows.</param>
    /// <param name="enough">Groups that are enough.</param>
    public static int RowsPerGroup(int rows, int groups, int enough)
    {
        int blocks = (rows + LoraBatch.RowBlock - 1) / LoraBatch.RowBlock;
        return Math.Max(1, (int)Math.Min(blocks, (long)blocks * groups / enough)) * LoraBatch.RowBlock;
    }
}
