using ILGPU;

namespace Steer.Kernels.Gpu;

/// <content>What a launch is given, and where its numbers lie in shared memory.</content>
internal static partial class AttentionKernel
{
    // Numbers of shared memory: a tile of keys or values, of each query the numbers, a chunk's sums and the whole's; scores, and five numbers of the
    // softmaxes.
    private static int SharedLength(int headDim, int tile) => ((tile + (3 * Queries)) * (headDim + 1)) + (Queries * (tile + 5));

    /// <summary>Rows of one context, times heads of one kv head.</summary>
    internal struct QueryRun
    {
        public int Row;

        /// <summary>The first of its query heads.</summary>
        public int FirstHead;

        /// <summary>Query heads of a row.</summary>
        public int HeadsHere;

        /// <summary>Queries.</summary>
        public int Count;
        public int KvHead;

        public readonly int RowOf(int query) => Row + (query / HeadsHere);

        public readonly int HeadOf(int query) => FirstHead + (query % HeadsHere);
    }

    internal struct Parameters
    {
        public TensorView Q;
        public TensorView Y;
        public KvView Keys;
        public KvView Values;
        public ArrayView<int> Positions;
        public ArrayView<int> RowContext;
        public ArrayView<int> BlockTables;
        public ArrayView<float> AlibiSlopes;

        /// <summary>[chunks, rows, heads]: maximum, sum, and the sums of values [head dim].</summary>
        public ArrayView<float> Parts;
        public int BlockTableStride;
        public int HeadDim;

        /// <summary>Query heads of a kv head.</summary>
        public int HeadsPerKvHead;
        public float Scale;
        public float SoftCap;
        public int Window;
        public int HasAlibi;

        /// <summary>Positions of a tile.</summary>
        public int Tile;
        public int RowsPerGroup;

        /// <summary>Each group takes a chunk and leaves its part; else the whole context.</summary>
        public int Apart;

        /// <summary>Apart by an odd number, so that lanes with neighbouring positions meet in no bank of shared memory.</summary>
        public readonly int HeadStride => HeadDim | 1;

        public readonly int SharedLength => AttentionKernel.SharedLength(HeadDim, Tile);

        // Where in shared memory what lies: [positions of a tile, HeadStride], then of each query its numbers, the chunk's sums of values and the
        // whole's, scores [tile], and one number of each that follows.
        public readonly int TileStart => 0;

        public readonly int QueryStart => Tile * HeadStride;

        public readonly int SumStart => QueryStart + (Queries * HeadStride);

        public readonly int TotalStart => SumStart + (Queries * HeadStride);

        public readonly int ScoreStart => TotalStart + (Queries * HeadStride);

        public readonly int Maximum => ScoreStart + (Queries * Tile);

        public readonly int Sum => Maximum + Queries;

        public readonly int Decay => Sum + Queries;

        public readonly int TotalMaximum => Decay + Queries;

        public readonly int TotalSum => TotalMaximum + Queries;

        /// <summary>Where the part of a row and head over a chunk begins.</summary>
        public readonly long Part(int chunk, int row, int head) =>
            ((((long)chunk * Q.Rows) + row) * (Q.Columns / HeadDim) + head) * (HeadDim + 2);
    }
}
