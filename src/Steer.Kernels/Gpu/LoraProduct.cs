using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.LoraDelta"/>: all adapters of a batch in two launches, as many segments at a time as fit into a kernel's parameters.
/// <see cref="LoraDownKernel"/> makes the parts of x A^T, <see cref="LoraUpKernel"/> adds them up and makes the rest. Orders of sums depend on k and the
/// rank alone.
/// </summary>
internal static class LoraProduct
{
    public static void Run(IlgpuDevice device, Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y)
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
                    Launch(device, batch);
                    batch.Count = 0;
                }

                batch[batch.Count++] = segment.View(group.RowStart, group.RowCount);
            }
        }

        Launch(device, batch);
    }

    private static void Launch(IlgpuDevice device, LoraBatch batch)
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
        LoraDownKernel.Run(device, batch, rows, rank);
        LoraUpKernel.Run(device, batch, rows, columns);
    }
}
