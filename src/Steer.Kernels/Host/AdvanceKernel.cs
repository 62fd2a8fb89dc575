namespace Steer.Kernels.Host;

/// <summary>See <see cref="Device.Advance"/>.</summary>
internal static unsafe class AdvanceKernel
{
    /// <summary>Keeps what every sequence gave and moves it on, then its rows.</summary>
    /// <exception cref="ArgumentException">A sequence has no room for another step, or branches or stop tokens outside the batch.</exception>
    public static void Run(GuideBatch guide, DecodeBatch decode, ReadOnlySpan<ForwardBatch> batches)
    {
        for (int sequence = 0; sequence < guide.Sequences; sequence++)
            Check(guide, decode, sequence);
        for (int sequence = 0; sequence < guide.Sequences; sequence++)
        {
            Keep(guide, decode, sequence);
            MoveOn(guide, decode, sequence);
        }

        foreach (var batch in batches)
        {
            for (int row = 0; row < batch.Rows; row++)
                MoveRow(guide, decode, batch, row);
        }
    }

    private static void Check(GuideBatch guide, DecodeBatch decode, int sequence)
    {
        ref readonly var state = ref HostMatrix.Pointer(decode.Rows)[sequence];
        if ((uint)state.Steps >= (uint)decode.MaxSteps)
            throw new ArgumentException($"Advance: step {state.Steps} of sequence {sequence} in a batch of {decode.MaxSteps} steps.");
        if (state.StopStart < 0 || state.StopCount < 0 || (long)state.StopStart + state.StopCount > decode.StopIds.Length)
            throw new ArgumentException($"Advance: sequence {sequence} has stop tokens outside the batch.");
        ref readonly var row = ref HostMatrix.Pointer(guide.Rows)[sequence];
        if (row.BranchStart < 0 || row.BranchCount < 0 || (long)row.BranchStart + row.BranchCount > decode.Branches)
            throw new ArgumentException($"Advance: sequence {sequence} has branches outside the {decode.Branches} of the batch.");
    }

    private static void Keep(GuideBatch guide, DecodeBatch decode, int sequence)
    {
        ref readonly var row = ref HostMatrix.Pointer(guide.Rows)[sequence];
        int step = HostMatrix.Pointer(decode.Rows)[sequence].Steps;
        long at = (long)step * guide.Sequences + sequence;
        HostMatrix.Pointer(decode.Results)[at] = HostMatrix.Pointer(guide.Results)[sequence];
        Copy(guide.BranchLogProbs, row.BranchStart, decode.BranchLogProbs, (long)step * decode.Branches + row.BranchStart, row.BranchCount);
        Copy(guide.Alternatives, (long)sequence * guide.MaxAlternatives, decode.Alternatives, at * guide.MaxAlternatives, row.Alternatives);
    }

    private static void MoveOn(GuideBatch guide, DecodeBatch decode, int sequence)
    {
        ref var state = ref HostMatrix.Pointer(decode.Rows)[sequence];
        ref var row = ref HostMatrix.Pointer(guide.Rows)[sequence];
        ref readonly var result = ref HostMatrix.Pointer(guide.Results)[sequence];
        state.Steps++;
        if (state.Finished != 0)
            return;
        var stops = new ReadOnlySpan<int>(HostMatrix.Pointer(decode.StopIds) + state.StopStart, state.StopCount);
        int tokens = row.Step + 1;
        if (result.Invalid != 0 || tokens >= state.MaxTokens || stops.Contains(result.Token))
        {
            state.Finished = 1;
            return;
        }

        row.Step = tokens;
        if (tokens >= state.MinTokens)
            row.BiasCount = state.FreeBiasCount;
    }

    private static void MoveRow(GuideBatch guide, DecodeBatch decode, ForwardBatch batch, int row)
    {
        int sequence = HostMatrix.Pointer(batch.RowSequence)[row];
        if (HostMatrix.Pointer(decode.Rows)[sequence].Finished != 0)
            return;
        int position = ++HostMatrix.Pointer(batch.Positions)[row];
        long table = (long)HostMatrix.Pointer(batch.RowContext)[row] * batch.BlockTableStride;
        int block = HostMatrix.Pointer(batch.BlockTables)[table + position / KvCacheShape.BlockSize];
        HostMatrix.Pointer(batch.SlotMapping)[row] = block * KvCacheShape.BlockSize + position % KvCacheShape.BlockSize;
        HostMatrix.Pointer(batch.TokenIds)[row] = HostMatrix.Pointer(guide.Results)[sequence].Token;
    }

    private static void Copy<T>(DeviceBuffer<T> source, long from, DeviceBuffer<T> target, long to, int count)
        where T : unmanaged =>
        new ReadOnlySpan<T>(HostMatrix.Pointer(source) + from, count).CopyTo(new Span<T>(HostMatrix.Pointer(target) + to, count));
}
