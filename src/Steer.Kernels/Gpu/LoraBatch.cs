using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>Segments of the adapters of a batch as kernels see them: as many as fit into a kernel's parameters.</summary>
internal struct LoraBatch
{
    /// <summary>Segments in a launch.</summary>
    public const int MaxSegments = 8;

    public TensorView X;
    public TensorView Y;

    /// <summary>x A^T of each segment [its rows, its rank].</summary>
    public ArrayView<float> Low;

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
        public long LowStart;

        /// <summary>[rank, k].</summary>
        public ArrayView<float> A;

        /// <summary>[rank, columns].</summary>
        public ArrayView<float> B;
        public ArrayView<float> Scale;
        public ArrayView<float> Bias;
        public int HasScale;
        public int HasBias;

        /// <summary>A[rank, i]; past the last rank, the last one's.</summary>
        public readonly float Down(int rank, int i, int k) => A[((long)Math.Min(rank, Rank - 1) * k) + i];
    }
}
