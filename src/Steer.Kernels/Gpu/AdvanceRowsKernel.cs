using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The second half of <see cref="Device.Advance"/>: one thread for each row of a forward pass moves it to the token that was drawn.
/// </summary>
internal static class AdvanceRowsKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<Parameters>(AdvanceRows)];

    public static void Run(IlgpuDevice device, GuideBatch guide, DecodeBatch decode, ForwardBatch batch)
    {
        var parameters = new Parameters
        {
            Results = IlgpuDevice.View(guide.Results),
            States = IlgpuDevice.View(decode.Rows),
            RowSequence = IlgpuDevice.View(batch.RowSequence),
            RowContext = IlgpuDevice.View(batch.RowContext),
            BlockTables = IlgpuDevice.View(batch.BlockTables),
            TokenIds = IlgpuDevice.View(batch.TokenIds),
            Positions = IlgpuDevice.View(batch.Positions),
            SlotMapping = IlgpuDevice.View(batch.SlotMapping),
            BlockTableStride = batch.BlockTableStride,
        };
        device.Launch(AdvanceRows, batch.Rows, parameters);
    }

    internal static void AdvanceRows(Index1D row, Parameters p)
    {
        int sequence = p.RowSequence[row];
        if (p.States[sequence].Finished != 0)
            return;
        int position = p.Positions[row] + 1;
        int block = p.BlockTables[((long)p.RowContext[row] * p.BlockTableStride) + (position / KvCacheShape.BlockSize)];
        p.TokenIds[row] = p.Results[sequence].Token;
        p.Positions[row] = position;
        p.SlotMapping[row] = (block * KvCacheShape.BlockSize) + (position % KvCacheShape.BlockSize);
    }

    internal struct Parameters
    {
        public ArrayView<GuideResult> Results;
        public ArrayView<DecodeRow> States;
        public ArrayView<int> RowSequence;
        public ArrayView<int> RowContext;
        public ArrayView<int> BlockTables;
        public ArrayView<int> TokenIds;
        public ArrayView<int> Positions;
        public ArrayView<int> SlotMapping;
        public int BlockTableStride;
    }
}
