using System.Numerics;
using ILGPU;

namespace Steer.Kernels.Gpu.Cuda;

/// <summary>
/// <see cref="Device.Attention"/> on tensor cores, for heads of a multiple of 16 columns, with the bits of float32 (<see cref="TwoPartProduct"/>).
/// A context is read in units of 64 positions, each with a softmax of its own (maximum, sum of weights, sums of values) that is folded into that of its
/// chunk of 256, and that into the whole's, all in order of position: a row's bits are the same from <see cref="AttentionTileKernel"/>, for the rows of a
/// prompt, and <see cref="AttentionStreamKernel"/>, for contexts with a single row.
/// </summary>
internal static class TensorAttention
{
    /// <summary>Positions of a unit.</summary>
    public const int UnitSize = 64;

    /// <summary>Units of a chunk.</summary>
    public const int UnitsPerChunk = 4;

    /// <summary>Positions of a chunk.</summary>
    public const int ChunkSize = UnitSize * UnitsPerChunk;

    /// <summary>Numbers that parts of contexts may take: beyond, each group goes through its whole context.</summary>
    private const long MostParts = 64 << 20;

    /// <summary>Whether there is a kernel for these heads on this device.</summary>
    public static bool Supports(IlgpuDevice device, KvCacheShape shape) =>
        device.HasTensorCores && shape.HeadDim % 16 == 0 && AttentionTileKernel.Fits(shape) && AttentionStreamKernel.Fits(shape);

    public static void Run(
        IlgpuDevice device, Tensor q, IlgpuKvCache cache, int layer, ForwardBatch batch, AttentionParams attention, Tensor y)
    {
        int headDim = cache.Shape.HeadDim, heads = q.Columns / headDim;
        bool copied = !new TensorView(q).IsAligned;
        if (copied)
            q = RoundActivationsKernel.Run(device, q, DType.F32);
        var parameters = new Parameters
        {
            Q = new TensorView(q),
            Y = new TensorView(y),
            Keys = cache.Keys(layer),
            Values = cache.Values(layer),
            Positions = IlgpuDevice.View(batch.Positions),
            RowContext = IlgpuDevice.View(batch.RowContext),
            BlockTables = IlgpuDevice.View(batch.BlockTables),
            AlibiSlopes = IlgpuDevice.ViewOrEmpty(attention.AlibiSlopes),
            BlockTableStride = batch.BlockTableStride,
            HeadDim = headDim,
            Heads = heads,
            Sharing = heads / cache.Shape.NumKvHeads,
            Scale = attention.Scale,
            SoftCap = attention.SoftCap,
            Window = attention.Window > 0 ? (uint)attention.Window : 0x80000000u,
            HasAlibi = attention.AlibiSlopes is null ? 0 : 1,
        };
        // Chunks that a single row sees.
        int chunks = ((batch.BlockTableStride * KvCacheShape.BlockSize) + ChunkSize - 1) / ChunkSize;
        if (attention.Window > 0)
            chunks = Math.Min(chunks, ((attention.Window + ChunkSize - 2) / ChunkSize) + 1);
        bool streams = batch.Contexts > 1 || q.Rows == 1;
        streams &= chunks == 1 || (long)chunks * q.Rows * heads * (headDim + 2) <= MostParts;
        bool tiles = !streams || batch.Contexts < q.Rows;
        parameters.Mixed = streams && tiles ? 1 : 0;
        if (tiles)
            AttentionTileKernel.Run(device, cache.Shape.Type, parameters);
        if (!streams)
            return;
        // A decode step's rows are packed for the product that follows; a prompt's are so many that a launch more does not count. A copy of q would be where they go.
        if (!tiles && !copied && headDim % BlockQuantizer.BlockSize == 0)
            device.Defer(y, packed => AttentionStreamKernel.Run(device, cache.Shape, chunks, parameters, packed));
        else
            AttentionStreamKernel.Run(device, cache.Shape, chunks, parameters, default);
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

    /// <summary>The softmax of 16 queries over a unit: weights relative to the unit's maximum, for rows g and g + 8.</summary>
    internal struct UnitSoftmax
    {
        public Sums16x64 Weights;
        public SoftmaxState State;
    }

    /// <summary>Blocks of a unit.</summary>
    internal struct UnitBlocks
    {
        public int A;
        public int B;
        public int C;
        public int D;

        public readonly int this[int i] => i == 0 ? A : i == 1 ? B : i == 2 ? C : D;
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
        public int BlockTableStride;
        public int HeadDim;

        /// <summary>Query heads.</summary>
        public int Heads;

        /// <summary>Query heads of a kv head.</summary>
        public int Sharing;
        public float Scale;
        public float SoftCap;

        /// <summary>A query sees positions less than this before its own.</summary>
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

        /// <summary>The softmax of scores. A lane's columns of tile i are positions <paramref name="start"/> + 8 i + t and + 4.</summary>
        public readonly UnitSoftmax Softmax(Sums16x64 s, Query low, Query high, int start, int t)
        {
            if (HasAlibi != 0 || SoftCap > 0)
            {
                // Tile by tile, each of which ends in its place: unrolled, what few models need would be most of the kernel.
                float lowSlope = HasAlibi != 0 ? AlibiSlopes[low.Head] : 0, highSlope = HasAlibi != 0 ? AlibiSlopes[high.Head] : 0;
                for (int tile = 0; tile < UnitSize / 8; tile++)
                    s = s.Rotate(Adjust(s.First.A, lowSlope, highSlope, start + (8 * tile) + t));
            }

            s.First = Mask(s.First, low, high, start + t);
            s.Second = Mask(s.Second, low, high, start + 32 + t);
            float lowMaximum = MaximumOfFour(MathF.Max(Low(s.First), Low(s.Second)), 1);
            float highMaximum = MaximumOfFour(MathF.Max(High(s.First), High(s.Second)), 1);
            s.First = Weights(s.First, lowMaximum, highMaximum);
            s.Second = Weights(s.Second, lowMaximum, highMaximum);
            // One after the other: a tree of sums would keep weights in registers until late.
            Sums4 sum = s.First.A + s.First.B + s.First.C + s.First.D + s.Second.A + s.Second.B + s.Second.C + s.Second.D;
            return new UnitSoftmax
            {
                Weights = s,
                State = new SoftmaxState
                {
                    LowMaximum = lowMaximum,
                    LowSum = SumOfFour(sum.X + sum.Y, 1),
                    HighMaximum = highMaximum,
                    HighSum = SumOfFour(sum.Z + sum.W, 1),
                },
            };
        }

        /// <summary>What products of keys with a scale are multiplied by to be scores.</summary>
        public readonly float KeyScale<TFormat>(TFormat format, float scale)
            where TFormat : struct, IKvFormat => format.HasScales != 0 ? scale * Scale : Scale;

        /// <summary>Products of a tile as scores, with factors for a lane's two columns.</summary>
        public static Sums4 ScaleKeys(Sums4 products, float first, float second) => new()
        {
            X = products.X * first,
            Y = products.Y * second,
            Z = products.Z * first,
            W = products.W * second,
        };

        /// <summary>Weights of a tile times the scales of its values.</summary>
        public static Sums4 ScaleValues(Sums4 weights, float first, float second) => new()
        {
            X = ScaleValue(weights.X, first),
            Y = ScaleValue(weights.Y, second),
            Z = ScaleValue(weights.Z, first),
            W = ScaleValue(weights.W, second),
        };

        /// <summary>A weight times the scale of its values: what is hidden counts nothing, whatever number was left there.</summary>
        public static float ScaleValue(float weight, float scale) => weight == 0 ? 0 : weight * scale;

        private readonly Sums4 Adjust(Sums4 s, float lowSlope, float highSlope, int position) => new()
        {
            X = Adjust(s.X, lowSlope, position),
            Y = Adjust(s.Y, lowSlope, position + 4),
            Z = Adjust(s.Z, highSlope, position),
            W = Adjust(s.W, highSlope, position + 4),
        };

        /// <summary>A score with ALiBi and the soft cap, whichever there are.</summary>
        public readonly float Adjust(float score, float slope, int position)
        {
            if (HasAlibi != 0)
                score = KernelMath.FusedMultiplyAdd(slope, position, score);
            return SoftCap > 0 ? SoftCap * KernelMath.Tanh(score / SoftCap) : score;
        }

        private readonly Sums16x32 Mask(Sums16x32 s, Query low, Query high, int position) => new()
        {
            A = Mask(s.A, low, high, position),
            B = Mask(s.B, low, high, position + 8),
            C = Mask(s.C, low, high, position + 16),
            D = Mask(s.D, low, high, position + 24),
        };

        private readonly Sums4 Mask(Sums4 s, Query low, Query high, int position) => new()
        {
            X = Mask(s.X, low.Last - position),
            Y = Mask(s.Y, low.Last - position - 4),
            Z = Mask(s.Z, high.Last - position),
            W = Mask(s.W, high.Last - position - 4),
        };

        /// <summary>A score that many positions before the query's; one after it is a large distance too.</summary>
        public readonly float Mask(float score, int distance) => (uint)distance < Window ? score : float.NegativeInfinity;

        private static float Low(Sums16x32 s) =>
            MathF.Max(MathF.Max(MathF.Max(s.A.X, s.A.Y), MathF.Max(s.B.X, s.B.Y)), MathF.Max(MathF.Max(s.C.X, s.C.Y), MathF.Max(s.D.X, s.D.Y)));

        private static float High(Sums16x32 s) =>
            MathF.Max(MathF.Max(MathF.Max(s.A.Z, s.A.W), MathF.Max(s.B.Z, s.B.W)), MathF.Max(MathF.Max(s.C.Z, s.C.W), MathF.Max(s.D.Z, s.D.W)));

        private static Sums16x32 Weights(Sums16x32 s, float low, float high) => new()
        {
            A = Weights(s.A, low, high),
            B = Weights(s.B, low, high),
            C = Weights(s.C, low, high),
            D = Weights(s.D, low, high),
        };

        private static Sums4 Weights(Sums4 s, float low, float high) => new()
        {
            X = SoftmaxState.Weight(s.X, low),
            Y = SoftmaxState.Weight(s.Y, low),
            Z = SoftmaxState.Weight(s.Z, high),
            W = SoftmaxState.Weight(s.W, high),
        };

        /// <summary>The largest of the lanes whose numbers differ in two bits, the first of them <paramref name="bit"/>.</summary>
        public static float MaximumOfFour(float value, int bit)
        {
            value = MathF.Max(value, Warp.ShuffleXor(value, bit));
            return MathF.Max(value, Warp.ShuffleXor(value, 2 * bit));
        }

        /// <summary>The sum over the same lanes.</summary>
        public static float SumOfFour(float value, int bit)
        {
            value += Warp.ShuffleXor(value, bit);
            return value + Warp.ShuffleXor(value, 2 * bit);
        }

        /// <summary>Logarithm of the threads that copy a position of so many pieces.</summary>
        public static int CopyShift(int pieces) => BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)pieces));

        /// <summary>
        /// Begins to copy pieces of a block's positions to shared memory, all threads of a group together, 1 &lt;&lt; <paramref name="shift"/> to a position;
        /// those behind <paramref name="last"/> become zeros.
        /// </summary>
        public static void CopyBlock(
            KvView view, ArrayView<uint> shared, int stride, int block, int kvHead, int firstPiece, int pieces, int shift, int last)
        {
            int piece = Group.IdxX & ((1 << shift) - 1);
            if (piece >= pieces)
                return;
            long source = view.BlockStart(block, kvHead) + (4 * (firstPiece + piece));
            for (int i = Group.IdxX >> shift; i < KvCacheShape.BlockSize; i += Group.DimX >> shift)
            {
                int place = (i * stride) + (4 * piece);
                if (i <= last)
                {
                    view.CopyWords(shared, place, source + (4 * i * view.Pieces));
                }
                else
                {
                    shared[place] = 0;
                    shared[place + 1] = 0;
                    shared[place + 2] = 0;
                    shared[place + 3] = 0;
                }
            }
        }
    }
}
