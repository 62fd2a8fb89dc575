using ILGPU;
using Steer.Kernels.Gpu.Cuda;

namespace Steer.Kernels.Gpu;

/// <summary>Segments of the adapters of a batch as kernels see them: as many as fit into a kernel's parameters.</summary>
internal struct LoraBatch
{
    /// <summary>Segments in a launch.</summary>
    public const int MaxSegments = 8;

    /// <summary>Rows that a group of threads takes at once.</summary>
    public const int RowBlock = 8;

    /// <summary>Ranks that a group of threads takes at once; a power of two.</summary>
    public const int RankBlock = 16;

    /// <summary>Most parts of a sum over k, and least numbers of one: enough groups for one row, and enough for each to do.</summary>
    private const int MaxParts = 16, MinPartLength = 256;

    public TensorView X;
    public TensorView Y;

    /// <summary>Parts of x A^T of each segment [its rows, its rank, <see cref="PartStride"/>].</summary>
    public ArrayView<float> Low;

    /// <summary>Numbers along k of a part; the last one's may be fewer.</summary>
    public int PartLength;

    /// <summary>Parts in which sums over k are made.</summary>
    public int Parts;

    /// <summary>Rows that a group of threads takes, one block after the other.</summary>
    public int RowsPerGroup;

    /// <summary>Segments here.</summary>
    public int Count;
    public Segment S0;
    public Segment S1;
    public Segment S2;
    public Segment S3;
    public Segment S4;
    public Segment S5;
    public Segment S6;
    public Segment S7;

    /// <param name="x">[rows, k]. How sums over k are made depends on k alone.</param>
    /// <param name="y">[rows, n].</param>
    public LoraBatch(Tensor x, Tensor y)
        : this()
    {
        X = new TensorView(x);
        Y = new TensorView(y);
        PartLength = Math.Max(MinPartLength, LoraDownKernel.RoundUp((x.Columns + MaxParts - 1) / MaxParts));
        Parts = (x.Columns + PartLength - 1) / PartLength;
    }

    /// <summary>Places for the parts of a number of x A^T: a multiple of 16 bytes.</summary>
    public readonly int PartStride => Floats4.RoundUp(Parts);

    /// <summary>One segment.</summary>
    public Segment this[int i]
    {
        readonly get => i == 0 ? S0 : i == 1 ? S1 : i == 2 ? S2 : i == 3 ? S3 : i == 4 ? S4 : i == 5 ? S5 : i == 6 ? S6 : S7;
        set
        {
            switch (i)
            {
                case 0:
                    S0 = value;
                    break;
                case 1:
                    S1 = value;
                    break;
                case 2:
                    S2 = value;
                    break;
                case 3:
                    S3 = value;
                    break;
                case 4:
                    S4 = value;
                    break;
                case 5:
                    S5 = value;
                    break;
                case 6:
                    S6 = value;
                    break;
                default:
                    S7 = value;
                    break;
            }
        }
    }

    /// <summary>Rows of the batch and columns of the projection that one low-rank change is for.</summary>
    internal struct Segment
    {
        public int RowStart;
        public int RowCount;
        public int ColumnStart;
        public int Columns;
        public int Rank;

        /// <summary>Where its parts of x A^T begin in <see cref="Low"/>.</summary>
        public long LowStart;

        /// <summary>[rank, k up to whole fours], zeros at the end of a row.</summary>
        public ArrayView<float> A;

        /// <summary>[blocks of ranks, columns, <see cref="RankBlock"/>], zeros past the last rank.</summary>
        public ArrayView<float> B;

        /// <summary>[columns], as are biases; empty where there are none.</summary>
        public ArrayView<float> Scale;
        public ArrayView<float> Bias;
        public int HasScale;
        public int HasBias;

        /// <summary>A[rank, i .. i + 3], i a multiple of four; past the last rank, the last one's.</summary>
        public readonly Floats4 Down(int rank, int i, int k) => Floats4.LoadConstant(A, DownPlace(rank, i, k));

        /// <summary>Has the run of A[rank] with i come closer.</summary>
        public readonly void PrefetchDown(int rank, int i, int k) => WideMemory.Prefetch(A, DownPlace(rank, i, k));

        /// <summary>Where a block of ranks of a column of B begins.</summary>
        public readonly long UpPlace(int rank, int column) => (((long)(rank / RankBlock) * Columns) + column) * RankBlock;

        /// <summary>Where the parts of x A^T of a row and a rank begin in <see cref="Low"/>.</summary>
        public readonly long LowPlace(int row, int rank, int partStride) => LowStart + ((((long)row * Rank) + rank) * partStride);

        private readonly long DownPlace(int rank, int i, int k) => ((long)Math.Min(rank, Rank - 1) * Floats4.RoundUp(k)) + i;
    }
}
