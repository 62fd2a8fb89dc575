using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <content>What a launch is given, and how its rows, heads and blocks are found.</content>
internal static partial class TensorAttention
{
    internal partial struct Parameters
    {
        public TensorView Q;
        public TensorView Y;
        public KvView Keys;
        public KvView Values;
        public ArrayView<int> Positions;
        public ArrayView<int> RowContext;
        public ArrayView<int> BlockTables;
        public ArrayView<float> AlibiSlopes;
        public int BlockTableStride;
        public int HeadDim;

        /// <summary>Query heads.</summary>
        public int NumHeads;

        /// <summary>Query heads of a kv head.</summary>
        public int HeadsPerKvHead;
        public float Scale;
        public float SoftCap;

        /// <summary>A query sees positions less than this before its own: all of them where it is <see cref="NoWindow"/>.</summary>
        public uint Window;
        public int HasAlibi;

        /// <summary>Both kernels run, each for its rows.</summary>
        public int Mixed;

        /// <summary>First position that a query at <paramref name="position"/> sees.</summary>
        public readonly int First(int position) => Window > (uint)position ? 0 : position - (int)Window + 1;

        /// <summary>Whether a row is the only one of its context.</summary>
        public readonly bool IsSingle(int row) =>
            (row == 0 || RowContext[row - 1] != RowContext[row]) && (row == Q.Rows - 1 || RowContext[row + 1] != RowContext[row]);

        /// <summary>Query <paramref name="index"/> of rows from <paramref name="row"/> on, with <paramref name="heads"/> heads of each.</summary>
        public readonly Query QueryAt(int row, int firstHead, int heads, int index, int count)
        {
            bool exists = index < count;
            int own = exists ? row + (index / heads) : row, head = exists ? firstHead + (index % heads) : firstHead;
            return new Query
            {
                Numbers = Q.From(own, head * HeadDim),
                Row = exists ? own : -1,
                Head = head,
                Last = exists ? Positions[own] : -1,
            };
        }

        /// <summary>Four numbers of queries g and g + 8, zeros past the head.</summary>
        public readonly (Floats4 Low, Floats4 High) LoadQueries<TFormat>(TFormat format, Query low, Query high, int d)
            where TFormat : struct, IKvFormat
        {
            // Spans of float32 end where heads do.
            if (format.Fours > 1 && d >= HeadDim)
                return default;
            return (Floats4.Load(low.Numbers, d), Floats4.Load(high.Numbers, d));
        }

        /// <summary>Blocks of a unit; those past <paramref name="last"/> are its block.</summary>
        public readonly UnitBlocks Blocks(int row, int unit, int last)
        {
            long table = (long)RowContext[row] * BlockTableStride;
            int first = unit * (UnitSize / KvCacheShape.BlockSize), end = last / KvCacheShape.BlockSize;
            return new UnitBlocks
            {
                A = BlockTables[table + Math.Min(first, end)],
                B = BlockTables[table + Math.Min(first + 1, end)],
                C = BlockTables[table + Math.Min(first + 2, end)],
                D = BlockTables[table + Math.Min(first + 3, end)],
            };
        }
    }

    /// <summary>A row and head, as a lane of a warp has them for its rows of tiles.</summary>
    internal struct Query
    {
        /// <summary>Its numbers; where there is no such query, those of another.</summary>
        public ArrayView<float> Numbers;

        /// <summary>Row of q; -1 for none.</summary>
        public int Row;
        public int Head;

        /// <summary>The last position that it sees; -1 for none.</summary>
        public int Last;
    }

    /// <summary>The four blocks of a unit.</summary>
    internal struct UnitBlocks
    {
        public int A;
        public int B;
        public int C;
        public int D;

        public readonly int this[int i] => i == 0 ? A : i == 1 ? B : i == 2 ? C : D;
    }
}
