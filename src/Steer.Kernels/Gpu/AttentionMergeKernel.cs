using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Merges the chunks of attention that were taken apart, in order of position: one thread for each number of y.</summary>
internal static class AttentionMergeKernel
{
    internal static IEnumerable<KernelSource> Sources => [KernelSource.Of<AttentionKernel.Parameters>(AttentionMerge)];

    public static void Run(IlgpuDevice device, AttentionKernel.Parameters parameters) =>
        device.Launch(AttentionMerge, (long)parameters.Y.Rows * parameters.Y.Columns, parameters);

    internal static void AttentionMerge(Index1D index, AttentionKernel.Parameters p)
    {
        int row = index / p.Y.Columns, column = index % p.Y.Columns, head = column / p.HeadDim;
        int last = p.Positions[row], first = p.Window > 0 ? Math.Max(0, last - p.Window + 1) : 0;
        float totalMaximum = float.NegativeInfinity, totalSum = 0, total = 0;
        for (int chunk = first / AttentionKernel.ChunkSize; chunk <= last / AttentionKernel.ChunkSize; chunk++)
        {
            long part = p.Part(chunk, row, head);
            float partMaximum = p.Parts[part], maximum = MathF.Max(totalMaximum, partMaximum);
            float keep = OnlineSoftmax.Weight(totalMaximum, maximum), add = OnlineSoftmax.Weight(partMaximum, maximum);
            total = KernelMath.FusedMultiplyAdd(total, keep, p.Parts[part + 2 + (column % p.HeadDim)] * add);
            totalSum = KernelMath.FusedMultiplyAdd(totalSum, keep, p.Parts[part + 1] * add);
            totalMaximum = maximum;
        }

        p.Y[row, column] = total / totalSum;
    }
}
