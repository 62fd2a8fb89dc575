using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// See <see cref="Device.LoraDelta"/>: all adapters of a batch in two launches. <see cref="LoraDownKernel"/> makes x A^T, then one thread for each number of y
/// that a segment changes adds the rest.
/// </summary>
internal static class LoraDeltaKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(LoraDelta)];

    public static void Run(IlgpuDevice device, Tensor x, ReadOnlySpan<LoraGroup> groups, Tensor y)
    {
        var segments = new List<LoraBatch.Segment>();
        foreach (LoraGroup group in groups)
        {
            if (group.RowCount > 0)
                segments.AddRange(((IlgpuLora)group.Weight).Segments.Select(s => s.View(group.RowStart, group.RowCount)));
        }

        foreach (LoraBatch.Segment[] chunk in segments.Where(s => s.Columns > 0).Chunk(LoraBatch.MaxSegments))
            Run(device, x, chunk, y);
    }

    private static void Run(IlgpuDevice device, Tensor x, LoraBatch.Segment[] segments, Tensor y)
    {
        var batch = new LoraBatch { X = new TensorView(x), Y = new TensorView(y), Count = segments.Length };
        long low = 0;
        for (int i = 0; i < segments.Length; i++)
        {
            batch[i] = segments[i] with { LowStart = low };
            low += (long)segments[i].RowCount * segments[i].Rank;
        }

        batch.Low = device.Scratch(ScratchUse.Lora, low).View;
        int rows = segments.Max(s => s.RowCount), rank = segments.Max(s => s.Rank), columns = segments.Max(s => s.Columns);
        LoraDownKernel.Run(device, batch, rows, (rank + LoraDownKernel.Ranks - 1) / LoraDownKernel.Ranks);
        var parameters = new Parameters { Batch = batch, Rows = rows, Columns = columns };
        device.Launch(LoraDelta, (long)segments.Length * rows * columns, parameters);
    }

    internal static void LoraDelta(Index1D index, Parameters p)
    {
        LoraBatch.Segment segment = p.Batch[index / p.Columns / p.Rows];
        int row = index / p.Columns % p.Rows, column = index % p.Columns;
        if (row >= segment.RowCount || column >= segment.Columns)
            return;
        float value = p.Batch.Y[segment.RowStart + row, segment.ColumnStart + column];
        if (segment.HasScale != 0)
            value *= segment.Scale[column];
        float sum = 0;
        for (int i = 0; i < segment.Rank; i++)
        {
            sum = KernelMath.FusedMultiplyAdd(
                p.Batch.Low[segment.LowStart + ((long)row * segment.Rank) + i], segment.B[((long)i * segment.Columns) + column], sum);
        }

        value += sum;
        if (segment.HasBias != 0)
            value += segment.Bias[column];
        p.Batch.Y[segment.RowStart + row, segment.ColumnStart + column] = value;
    }

    internal struct Parameters
    {
        public LoraBatch Batch;

        /// <summary>Most rows of a segment.</summary>
        public int Rows;

        /// <summary>Most columns of a segment.</summary>
        public int Columns;
    }
}
