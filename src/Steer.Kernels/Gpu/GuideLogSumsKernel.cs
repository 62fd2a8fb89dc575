using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// The first half of <see cref="Device.GuideAndSample"/>: largest logit and sum of exponentials of every chunk of the vocabulary, branch by branch. A
/// group for each sequence and chunk, so that few sequences fill a GPU too; chunks depend on the vocabulary alone.
/// </summary>
internal static class GuideLogSumsKernel
{
    /// <summary>Tokens of a chunk: two reads of four by each thread.</summary>
    public const int ChunkTokens = 8 * Threads;

    private const int Threads = 256;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<GuideAndSampleKernel.Parameters>(GuideLogSums)];

    /// <summary>Chunks of a vocabulary.</summary>
    public static int Chunks(int vocabSize) => (vocabSize + ChunkTokens - 1) / ChunkTokens;

    public static void Run(IlgpuDevice device, int sequences, GuideAndSampleKernel.Parameters parameters) =>
        device.LaunchGroups(GuideLogSums, new Index3D(sequences, parameters.Chunks, 1), device.GroupSize(Threads), parameters);

    internal static void GuideLogSums(GuideAndSampleKernel.Parameters p)
    {
        var reduce = GroupReduce.Create();
        GuideRow row = p.Rows[Grid.IdxX];
        int start = Grid.IdxY * ChunkTokens, end = Math.Min(start + ChunkTokens, row.VocabSize);
        for (int j = row.BranchStart; j < row.BranchStart + row.BranchCount; j++)
        {
            // One pass over the logits: the sum so far is rescaled where the maximum grows.
            int logits = p.Branches[j].LogitsRow;
            float own = float.NegativeInfinity;
            double sum = 0;
            for (int x = start + (4 * Group.IdxX); x < end; x += 8 * Group.DimX)
            {
                Floats4 a = Read(p, logits, x, end), b = Read(p, logits, x + (4 * Group.DimX), end);
                float max = KernelMath.Larger(a.Max, b.Max);
                if (max > own)
                {
                    sum *= OnlineSoftmax.Weight(own, max);
                    own = max;
                }

                sum += Weights(a, own).Sum + Weights(b, own).Sum;
            }

            float largest = reduce.Max(own);
            double all = reduce.Sum(sum * OnlineSoftmax.Weight(own, largest));
            if (Group.IdxX == 0)
            {
                p.ChunkMaxima[((long)j * p.Chunks) + Grid.IdxY] = largest;
                p.ChunkSums[((long)j * p.Chunks) + Grid.IdxY] = all;
            }
        }
    }

    // Four logits; minus infinity from `end` on.
    private static Floats4 Read(GuideAndSampleKernel.Parameters p, int row, int x, int end)
    {
        if (x + 4 <= end)
            return p.Logits.Load4(row, x);
        return new Floats4
        {
            X = x < end ? p.Logits[row, x] : float.NegativeInfinity,
            Y = x + 1 < end ? p.Logits[row, x + 1] : float.NegativeInfinity,
            Z = x + 2 < end ? p.Logits[row, x + 2] : float.NegativeInfinity,
            W = float.NegativeInfinity,
        };
    }

    private static Floats4 Weights(Floats4 x, float max) => new()
    {
        X = OnlineSoftmax.Weight(x.X, max),
        Y = OnlineSoftmax.Weight(x.Y, max),
        Z = OnlineSoftmax.Weight(x.Z, max),
        W = OnlineSoftmax.Weight(x.W, max),
    };
}
