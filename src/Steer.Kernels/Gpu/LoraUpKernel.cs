using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// y = y * scale + (x A^T) B^T + bias of every adapter of a batch, see <see cref="LoraProduct"/>: a thread makes one column, eight rows at a time,
/// and keeps the sixteen ranks of it; of many rows a group takes several blocks, one after the other. B comes closer while the kernel before still
/// runs, and is on its way while the group adds up the parts of x A^T, sixteen ranks at a time; a sum over ranks is one chain in ascending order.
/// </summary>
internal static class LoraUpKernel
{
    private const int Threads = 256;

    internal static IEnumerable<KernelSource> Sources => [KernelSource.OfGroups<LoraBatch>(LoraUp)];

    /// <param name="device">Where to run.</param>
    /// <param name="batch">The segments, <see cref="LoraBatch.Low"/> from <see cref="LoraDownKernel"/>.</param>
    /// <param name="rows">Most rows of one.</param>
    /// <param name="columns">Most columns of one.</param>
    /// <param name="enough">Groups that are enough.</param>
    public static void Run(IlgpuDevice device, LoraBatch batch, int rows, int columns, int enough)
    {
        int threads = device.GroupSize(Threads), columnBlocks = (columns + threads - 1) / threads;
        batch.RowsPerGroup = LoraProduct.RowsPerGroup(rows, columnBlocks * batch.Count, enough);
        device.LaunchGroups(
            LoraUp, new Index3D(columnBlocks, (rows + batch.RowsPerGroup - 1) / batch.RowsPerGroup, batch.Count), threads, batch);
    }

    internal static void LoraUp(LoraBatch p)
    {
        // At the start of the group's shared memory, where 16 bytes are aligned.
        ArrayView<float> low = SharedMemory.Allocate<float>(LoraBatch.RowBlock * LoraBatch.RankBlock);
        LaunchOrder.LetNextBegin(p.Y.Rows);
        LoraBatch.Segment segment = p[Grid.IdxZ];
        int start = Grid.IdxY * p.RowsPerGroup, first = Grid.IdxX * Group.DimX;
        if (start >= segment.RowCount || first >= segment.Columns)
            return; // the whole group
        // Threads past the last column make that one's sums, and store nothing.
        int column = Math.Min(first + Group.IdxX, segment.Columns - 1), end = Math.Min(start + p.RowsPerGroup, segment.RowCount);
        Prefetch(segment, column);
        LaunchOrder.WaitForPrevious();
        var block = new Block { Segment = segment, Column = column };
        block.LoadColumn();
        Ranks16 ranks = default;
        if (segment.Rank > 0)
            ranks = Ranks16.Load(segment, 0, column);
        for (int row = start; row < end; row += LoraBatch.RowBlock)
        {
            block.Row = row;
            block.Rows = Math.Min(LoraBatch.RowBlock, end - row);
            Floats8 y = block.Load(p.Y), sums = default;
            for (int rank = 0; rank < segment.Rank; rank += LoraBatch.RankBlock)
            {
                if (segment.Rank > LoraBatch.RankBlock)
                    ranks = Ranks16.Load(segment, rank, column);
                // All have read the ranks before.
                Group.Barrier();
                for (int i = Group.IdxX; i < block.Rows * LoraBatch.RankBlock; i += Group.DimX)
                    low[i] = SumParts(p, segment, row + (i / LoraBatch.RankBlock), rank + (i & (LoraBatch.RankBlock - 1)));
                Group.Barrier();
                sums.A = ranks.Add(sums.A, low, 0);
                if (block.Rows > 1)
                {
                    sums.B = ranks.Add(sums.B, low, 1);
                    sums.C = ranks.Add(sums.C, low, 2);
                    sums.D = ranks.Add(sums.D, low, 3);
                    sums.E = ranks.Add(sums.E, low, 4);
                    sums.F = ranks.Add(sums.F, low, 5);
                    sums.G = ranks.Add(sums.G, low, 6);
                    sums.H = ranks.Add(sums.H, low, 7);
                }
            }

            if (first + Group.IdxX < segment.Columns)
                block.Store(p.Y, y, sums);
        }
    }

    // The first block of ranks of this thread's column.
    private static void Prefetch(LoraBatch.Segment segment, int column)
    {
        if (segment.Rank == 0)
            return;
        for (int i = 0; i < LoraBatch.RankBlock; i += WideMemory.PrefetchRun)
            WideMemory.Prefetch(segment.B, segment.UpPlace(0, column) + i);
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

    /// <summary>Sixteen ranks of a column of B.</summary>
    private struct Ranks16
    {
        public Floats4 A;
        public Floats4 B;
        public Floats4 C;
        public Floats4 D;

        public static Ranks16 Load(LoraBatch.Segment segment, int rank, int column)
        {
            long place = segment.UpPlace(rank, column);
            return new()
            {
                A = Floats4.LoadConstant(segment.B, place),
                B = Floats4.LoadConstant(segment.B, place + 4),
                C = Floats4.LoadConstant(segment.B, place + 8),
                D = Floats4.LoadConstant(segment.B, place + 12),
            };
        }

        /// <summary>Adds these ranks of a row. Rows that are not there have what was left in shared memory, and are not stored.</summary>
        public readonly float Add(float sum, ArrayView<float> low, int row)
        {
            ArrayView<uint> words = low.Cast<uint>();
            int start = row * LoraBatch.RankBlock;
            sum = Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start)), A, sum);
            sum = Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start + 4)), B, sum);
            sum = Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start + 8)), C, sum);
            return Floats4.Dot(Floats4.Of(WideMemory.LoadShared(words, start + 12)), D, sum);
        }
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
        private float _scale;
        private float _bias;

        /// <summary>Reads what is of the column alone.</summary>
        public void LoadColumn()
        {
            _scale = Segment.HasScale != 0 ? Segment.Scale[Column] : 1f;
            _bias = Segment.HasBias != 0 ? Segment.Bias[Column] : 0f;
        }

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
            Store(y, 0, KernelMath.FusedMultiplyAdd(before.A, _scale, sums.A) + _bias);
            Store(y, 1, KernelMath.FusedMultiplyAdd(before.B, _scale, sums.B) + _bias);
            Store(y, 2, KernelMath.FusedMultiplyAdd(before.C, _scale, sums.C) + _bias);
            Store(y, 3, KernelMath.FusedMultiplyAdd(before.D, _scale, sums.D) + _bias);
            Store(y, 4, KernelMath.FusedMultiplyAdd(before.E, _scale, sums.E) + _bias);
            Store(y, 5, KernelMath.FusedMultiplyAdd(before.F, _scale, sums.F) + _bias);
            Store(y, 6, KernelMath.FusedMultiplyAdd(before.G, _scale, sums.G) + _bias);
            Store(y, 7, KernelMath.FusedMultiplyAdd(before.H, _scale, sums.H) + _bias);
        }

        private readonly float Load(TensorView y, int row) =>
            y[Segment.RowStart + Math.Min(Row + row, Segment.RowCount - 1), Segment.ColumnStart + Column];

        private readonly void Store(TensorView y, int row, float value)
        {
            if (row < Rows)
                y[Segment.RowStart + Row + row, Segment.ColumnStart + Column] = value;
        }
    }
}
