using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// y = y * scale + (x A^T) B^T + bias of every adapter of a batch, see <see cref="LoraProduct"/>: a thread makes one column for up to eight rows and
/// reads B once for them, neighbours from one run of memory. B is on its way while the group adds up the parts of x A^T, sixteen ranks at a time; a sum over
/// ranks is one chain in ascending order.
/// </summary>
internal static class LoraUpKernel
{
    private const int Threads = 128;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<LoraBatch>(LoraUp)];

    /// <param name="device">Where to run.</param>
    /// <param name="batch">The segments, <see cref="LoraBatch.Low"/> from <see cref="LoraDownKernel"/>.</param>
    /// <param name="rows">Most rows of one.</param>
    /// <param name="columns">Most columns of one.</param>
    public static void Run(IlgpuDevice device, LoraBatch batch, int rows, int columns)
    {
        int threads = device.GroupSize(Threads);
        int rowBlocks = (rows + LoraBatch.RowBlock - 1) / LoraBatch.RowBlock;
        device.LaunchGroups(LoraUp, new Index3D((columns + threads - 1) / threads, rowBlocks, batch.Count), threads, batch);
    }

    internal static void LoraUp(LoraBatch p)
    {
        // At the start of the group's shared memory, where 16 bytes are aligned.
        ArrayView<float> low = SharedMemory.Allocate<float>(LoraBatch.RowBlock * LoraBatch.RankBlock);
        LoraBatch.Segment segment = p[Grid.IdxZ];
        int row = Grid.IdxY * LoraBatch.RowBlock, first = Grid.IdxX * Group.DimX;
        if (row >= segment.RowCount || first >= segment.Columns)
            return; // the whole group
        int rows = Math.Min(LoraBatch.RowBlock, segment.RowCount - row);
        // Threads past the last column make that one's sums, and store nothing.
        int column = Math.Min(first + Group.IdxX, segment.Columns - 1);
        var block = new Block { Segment = segment, Row = row, Rows = rows, Column = column };

        Floats8 y = block.Load(p.Y), sums = default;
        for (int rank = 0; rank < segment.Rank; rank += LoraBatch.RankBlock)
        {
            Floats4 b0 = segment.Up(rank, column), b1 = segment.Up(rank + 4, column);
            Floats4 b2 = segment.Up(rank + 8, column), b3 = segment.Up(rank + 12, column);
            // All have read the ranks before.
            Group.Barrier();
            for (int i = Group.IdxX; i < rows * LoraBatch.RankBlock; i += Group.DimX)
                low[i] = SumParts(p, segment, row + (i / LoraBatch.RankBlock), rank + (i & (LoraBatch.RankBlock - 1)));
            Group.Barrier();
            sums.A = Add(sums.A, low, 0, b0, b1, b2, b3);
            if (rows > 1)
            {
                sums.B = Add(sums.B, low, 1, b0, b1, b2, b3);
                sums.C = Add(sums.C, low, 2, b0, b1, b2, b3);
                sums.D = Add(sums.D, low, 3, b0, b1, b2, b3);
                sums.E = Add(sums.E, low, 4, b0, b1, b2, b3);
                sums.F = Add(sums.F, low, 5, b0, b1, b2, b3);
                sums.G = Add(sums.G, low, 6, b0, b1, b2, b3);
                sums.H = Add(sums.H, low, 7, b0, b1, b2, b3);
            }
        }

        if (first + Group.IdxX < segment.Columns)
            block.Store(p.Y, y, sums);
    }

    // A number of x A^T; zero past the last rank.
    private static float SumParts(LoraBatch p, LoraBatch.Segment segment, int row, int rank)
    {
        if (rank >= segment.Rank)
            return 0;
        float sum = 0;
        long place = segment.LowPlace(row, rank, p.PartStride);
        for (int part = 0; part < p.Parts; part += 4)
        {
            Floats4 parts = Floats4.Load(p.Low, place + part);
            sum += parts.X;
            sum += part + 1 < p.Parts ? parts.Y : 0;
            sum += part + 2 < p.Parts ? parts.Z : 0;
            sum += part + 3 < p.Parts ? parts.W : 0;
        }

        return sum;
    }

    // Rows that are not there have what was left in shared memory, and are not stored.
    private static float Add(float sum, ArrayView<float> low, int row, Floats4 b0, Floats4 b1, Floats4 b2, Floats4 b3)
    {
        ArrayView<uint> words = low.Cast<uint>();
        int start = row * LoraBatch.RankBlock;
        sum = Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start)), b0, sum);
        sum = Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start + 4)), b1, sum);
        sum = Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start + 8)), b2, sum);
        return Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start + 12)), b3, sum);
    }

    /// <summary>One number for each of eight rows.</summary>
    private struct Floats8
    {
        public float A;
        public float B;
        public float C;
        public float D;
        public float E;
        public float F;
        public float G;
        public float H;
    }

    /// <summary>A column of up to eight rows of y.</summary>
    private struct Block
    {
        public LoraBatch.Segment Segment;
        public int Row;
        public int Rows;
        public int Column;

        public readonly Floats8 Load(TensorView y)
        {
            Floats8 numbers = default;
            numbers.A = Load(y, 0);
            if (Rows > 1)
            {
                numbers.B = Load(y, 1);
                numbers.C = Load(y, 2);
                numbers.D = Load(y, 3);
                numbers.E = Load(y, 4);
                numbers.F = Load(y, 5);
                numbers.G = Load(y, 6);
                numbers.H = Load(y, 7);
            }

            return numbers;
        }

        public readonly void Store(TensorView y, Floats8 before, Floats8 sums)
        {
            float scale = Segment.HasScale != 0 ? Segment.Scale[Column] : 1, bias = Segment.HasBias != 0 ? Segment.Bias[Column] : 0;
            Store(y, 0, KernelMath.FusedMultiplyAdd(before.A, scale, sums.A) + bias);
            Store(y, 1, KernelMath.FusedMultiplyAdd(before.B, scale, sums.B) + bias);
            Store(y, 2, KernelMath.FusedMultiplyAdd(before.C, scale, sums.C) + bias);
            Store(y, 3, KernelMath.FusedMultiplyAdd(before.D, scale, sums.D) + bias);
            Store(y, 4, KernelMath.FusedMultiplyAdd(before.E, scale, sums.E) + bias);
            Store(y, 5, KernelMath.FusedMultiplyAdd(before.F, scale, sums.F) + bias);
            Store(y, 6, KernelMath.FusedMultiplyAdd(before.G, scale, sums.G) + bias);
            Store(y, 7, KernelMath.FusedMultiplyAdd(before.H, scale, sums.H) + bias);
        }

        private readonly float Load(TensorView y, int row) => y[Segment.RowStart + Math.Min(Row + row, Segment.RowCount - 1), Segment.ColumnStart + Column];

        private readonly void Store(TensorView y, int row, float value)
        {
            if (row < Rows)
                y[Segment.RowStart + Row + row, Segment.ColumnStart + Column] = value;
        }
    }
}
