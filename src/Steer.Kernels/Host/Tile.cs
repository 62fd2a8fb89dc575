using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Steer.Kernels.Host;

/// <summary>What a tile multiplies. Fields that a caller does not set stay zero.</summary>
internal unsafe struct TileArgs
{
    /// <summary>The rows in the <see cref="RowCode"/> of the tile, word by word [words][rows]; float32: k by k [K][rows].</summary>
    public float* X;

    /// <summary>Pieces of the weight, <see cref="SegmentLength"/> k each: one for a panel, blocks of a cache for values (float32 alone).</summary>
    public byte** Segments;

    /// <summary>Bytes from the start of each segment to column 0.</summary>
    public nint Offset;

    /// <summary>k in a segment.</summary>
    public int SegmentLength;

    /// <summary>Where in the first segment k = 0 lies.</summary>
    public int First;

    /// <summary>Length of the sums.</summary>
    public int K;

    /// <summary>Bytes from column 0 to column 16 of the weight.</summary>
    public nint Second;

    /// <summary>Bytes from one step of k to the next.</summary>
    public nint Stride;

    /// <summary>Where each row's sums go [rows]: 32 numbers from <see cref="Column"/> on.</summary>
    public float** Y;

    /// <summary>First column of <see cref="Y"/>.</summary>
    public nint Column;

    /// <summary>Added to the finished sums [32], or null.</summary>
    public float* Bias;

    /// <summary>The sums continue what <see cref="Y"/> holds instead of starting from 0.</summary>
    public bool Carry;

    /// <summary>What is read after this, or null: a tile asks the caches for half as much of it as it reads itself.</summary>
    public byte* Next;
}

/// <summary>
/// A tile: rows x 32 columns, each number one chain of fused multiply-adds over k. The columns are taken in pairs of vectors,
/// c .. and 16 + c .., as many pairs as the vector's width makes of 16 columns.
/// </summary>
internal static unsafe class Tile<TVector, TRows, TWeights>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, ITileRows<TVector>
    where TWeights : struct, ITileWeights<TWeights, TVector>
{
    /// <summary>Bytes of <see cref="TileArgs.Next"/> in each step: half of what a step reads.</summary>
    public const int PrefetchBytes = 64;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(TileArgs* args)
    {
        byte* next = args->Next is null ? (byte*)args->X : args->Next;
        int ahead = args->Next is null ? 0 : PrefetchBytes;
        for (int column = 0; column < HostWeight.PanelWidth / 2; column += TVector.Count)
        {
            nint first = args->Column + column, second = first + (HostWeight.PanelWidth / 2);
            TRows sums = default;
            if (args->Carry)
                sums.Load(args->Y, first, second);

            float* x = args->X;
            byte** segment = args->Segments;
            int offset = args->First;
            for (int left = args->K; left > 0; segment++)
            {
                int count = Math.Min(args->SegmentLength - offset, left);
                var weights = TWeights.At(*segment + args->Offset + (offset * args->Stride), column, args->Second, args->Stride);
                left -= count;
                offset = 0;
                int steps = (count + TWeights.Depth - 1) / TWeights.Depth;
                do
                {
                    weights.Step(ref sums, x);
                    if (Sse.IsSupported)
                        Sse.Prefetch1(next);
                    next += ahead;
                    x += TWeights.Depth * TRows.Count;
                }
                while (--steps > 0);
            }

            if (args->Bias is not null)
            {
                float* bias = args->Bias + column;
                sums.Add(TVector.Load(bias), TVector.Load(bias + (HostWeight.PanelWidth / 2)));
            }
            sums.Store(args->Y, first, second);
            // What there is to ask for was asked for in the first round.
            next = (byte*)args->X;
            ahead = 0;
        }
    }
}
