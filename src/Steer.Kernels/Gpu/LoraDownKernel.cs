using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Parts of x A^T of every adapter of a batch, see <see cref="LoraProduct"/>: a group of threads takes a part of k for up to eight rows and sixteen
/// ranks. A thread makes four ranks, and of the part every 32nd run of four numbers, all rows at once; the 32 sums of a row and rank are added in
/// order at the end. So one sequence keeps many multiprocessors busy, and of many rows a group takes several blocks, one after the other. A comes
/// closer while the kernel before still runs.
/// </summary>
internal static class LoraDownKernel
{
    private const int Lanes = 32;
    private const int RanksPerThread = 4;
    private const int Threads = Lanes * LoraBatch.RankBlock / RanksPerThread;
    private const int Sums = LoraBatch.RowBlock * LoraBatch.RankBlock;

    // One more than lanes: threads that read the sums of one lane each, or those of one sum each, find them in banks of their own.
    private const int SumStride = Lanes + 1;

    internal static IEnumerable<KernelSource> Sources =>
        [KernelSource.OfGroups<LoraBatch>(LoraDown), KernelSource.OfGroups<LoraBatch>(LoraDownRagged)];

    /// <summary>A length along k, up to whole steps of a group.</summary>
    public static int RoundUp(int length) => (length + (4 * Lanes) - 1) / (4 * Lanes) * (4 * Lanes);

    /// <param name="device">Where to run.</param>
    /// <param name="batch">The segments.</param>
    /// <param name="rows">Most rows of one.</param>
    /// <param name="rank">Highest rank of one.</param>
    /// <param name="enough">Groups that are enough.</param>
    public static void Run(IlgpuDevice device, LoraBatch batch, int rows, int rank, int enough)
    {
        int rankBlocks = (rank + LoraBatch.RankBlock - 1) / LoraBatch.RankBlock;
        batch.RowsPerGroup = LoraProduct.RowsPerGroup(rows, rankBlocks * batch.Parts * batch.Count, enough);
        var groups = new Index3D((rows + batch.RowsPerGroup - 1) / batch.RowsPerGroup, rankBlocks * batch.Parts, batch.Count);
        bool aligned = batch.X.IsAligned && batch.X.Columns % 4 == 0;
        device.LaunchGroups(aligned ? LoraDown : LoraDownRagged, groups, device.GroupSize(Threads), batch);
    }

    internal static void LoraDown(LoraBatch p) => Down<AlignedRow>(p);

    internal static void LoraDownRagged(LoraBatch p) => Down<RaggedRow>(p);

    private static void Down<TRow>(LoraBatch p)
        where TRow : struct, IRow
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(Sums * SumStride);
        LaunchOrder.BeginNext();
        LoraBatch.Segment segment = p[Grid.IdxZ];
        int first = Grid.IdxX * p.RowsPerGroup, rank = Grid.IdxY / p.Parts * LoraBatch.RankBlock, part = Grid.IdxY % p.Parts;
        if (first >= segment.RowCount || rank >= segment.Rank)
            return; // the whole group
        var range = new Range
        {
            Segment = segment, Rank = rank, Start = part * p.PartLength, End = Math.Min((part + 1) * p.PartLength, p.X.Columns),
        };
        Prefetch(p, range);
        LaunchOrder.WaitForPrevious();
        int end = Math.Min(first + p.RowsPerGroup, segment.RowCount);
        for (int row = first; row < end; row += LoraBatch.RowBlock)
        {
            int rows = Math.Min(LoraBatch.RowBlock, end - row);
            range.Row = row;
            range.LastRow = row + rows - 1;
            SumLanes<TRow>(p, range, sums);
            Group.Barrier();
            for (int i = Group.IdxX; i < rows * LoraBatch.RankBlock; i += Group.DimX)
            {
                int ofRow = i / LoraBatch.RankBlock, ofRank = i & (LoraBatch.RankBlock - 1);
                if (rank + ofRank >= segment.Rank)
                    continue;
                float sum = 0;
                for (int lane = 0; lane < Lanes; lane++)
                    sum += sums[(i * SumStride) + lane];
                p.Low[segment.LowPlace(row + ofRow, rank + ofRank, p.PartStride) + part] = sum;
            }

            // All have read the sums.
            Group.Barrier();
        }
    }

    // Eight lanes for each of the four ranks of a warp.
    private static void Prefetch(LoraBatch p, Range range)
    {
        const int Run = WideMemory.PrefetchRun, LanesPerRank = Lanes / RanksPerThread;
        int lane = Group.IdxX & (Lanes - 1), rank = range.Rank + (Group.IdxX / Lanes * RanksPerThread) + (lane / LanesPerRank);
        for (int k = range.Start + (Run * (lane & (LanesPerRank - 1))); k < range.End; k += Run * LanesPerRank)
            range.Segment.PrefetchDown(rank, k, p.X.Columns);
    }

    // The sums of every lane, of some rows and sixteen ranks.
    private static void SumLanes<TRow>(LoraBatch p, Range range, ArrayView<float> sums)
        where TRow : struct, IRow
    {
        int rank = range.Rank, start = range.Start;
        for (int thread = Group.IdxX; thread < Threads; thread += Group.DimX)
        {
            int lane = thread & (Lanes - 1), own = thread / Lanes * RanksPerThread;
            if (rank + own >= range.Segment.Rank)
                continue;
            range.Rank = rank + own;
            range.Start = start + (4 * lane);
            if (range.Row == range.LastRow)
                SumRow<TRow>(p, range, sums.SubView((own * SumStride) + lane));
            else
                SumRows<TRow>(p, range, sums.SubView((own * SumStride) + lane));
        }
    }

    private static void SumRow<TRow>(LoraBatch p, Range range, ArrayView<float> sums)
        where TRow : struct, IRow
    {
        Floats4 a = default;
        for (int k = range.Start; k < range.End; k += 4 * Lanes)
            a = Weights.Load(p, range, k).Add(a, Load<TRow>(p, range, 0, k));
        Put(sums, 0, a);
    }

    private static void SumRows<TRow>(LoraBatch p, Range range, ArrayView<float> sums)
        where TRow : struct, IRow
    {
        Floats4 a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (int k = range.Start; k < range.End; k += 4 * Lanes)
        {
            Weights weights = Weights.Load(p, range, k);
            a = weights.Add(a, Load<TRow>(p, range, 0, k));
            b = weights.Add(b, Load<TRow>(p, range, 1, k));
            c = weights.Add(c, Load<TRow>(p, range, 2, k));
            d = weights.Add(d, Load<TRow>(p, range, 3, k));
            e = weights.Add(e, Load<TRow>(p, range, 4, k));
            f = weights.Add(f, Load<TRow>(p, range, 5, k));
            g = weights.Add(g, Load<TRow>(p, range, 6, k));
            h = weights.Add(h, Load<TRow>(p, range, 7, k));
        }

        Put(sums, 0, a);
        Put(sums, 1, b);
        Put(sums, 2, c);
        Put(sums, 3, d);
        Put(sums, 4, e);
        Put(sums, 5, f);
        Put(sums, 6, g);
        Put(sums, 7, h);
    }

    // Past the last row, the last one's numbers.
    private static Floats4 Load<TRow>(LoraBatch p, Range range, int row, int k)
        where TRow : struct, IRow
    {
        TRow load = default;
        return load.Load(p.X, range.Segment.RowStart + Math.Min(range.Row + row, range.LastRow), k);
    }

    private static void Put(ArrayView<float> sums, int row, Floats4 ranks)
    {
        int start = row * LoraBatch.RankBlock * SumStride;
        sums[start] = ranks.X;
        sums[start + SumStride] = ranks.Y;
        sums[start + (2 * SumStride)] = ranks.Z;
        sums[start + (3 * SumStride)] = ranks.W;
    }

    /// <summary>How four numbers of a row of x are read.</summary>
    private interface IRow
    {
        Floats4 Load(TensorView x, int row, int k);
    }

    private struct AlignedRow : IRow
    {
        public readonly Floats4 Load(TensorView x, int row, int k) => x.LoadAligned4(row, k);
    }

    private struct RaggedRow : IRow
    {
        public readonly Floats4 Load(TensorView x, int row, int k) => x.Load4(row, k);
    }

    /// <summary>What a thread sums: rows and ranks, and every 32nd run of four from a start to an end.</summary>
    private struct Range
    {
        public LoraBatch.Segment Segment;
        public int Row;
        public int LastRow;
        public int Rank;
        public int Start;
        public int End;
    }

    /// <summary>Four numbers along k of four ranks of A.</summary>
    private struct Weights
    {
        public Floats4 A;
        public Floats4 B;
        public Floats4 C;
        public Floats4 D;

        public static Weights Load(LoraBatch p, Range range, int k) => new()
        {
            A = range.Segment.Down(range.Rank, k, p.X.Columns),
            B = range.Segment.Down(range.Rank + 1, k, p.X.Columns),
            C = range.Segment.Down(range.Rank + 2, k, p.X.Columns),
            D = range.Segment.Down(range.Rank + 3, k, p.X.Columns),
        };

        public readonly Floats4 Add(Floats4 sums, Floats4 x) => new()
        {
            X = Floats4.Dot(x, A, sums.X),
            Y = Floats4.Dot(x, B, sums.Y),
            Z = Floats4.Dot(x, C, sums.Z),
            W = Floats4.Dot(x, D, sums.W),
        };
    }
}
