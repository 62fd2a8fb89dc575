using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Steer.Kernels.Host;

/// <summary>What a tile multiplies. Fields that a caller does not set stay zero.</summary>
internal unsafe struct TileArgs
{
    /// <summary>
    /// How far ahead in its panel a tile of many rows asks the second-level cache for weights, in bytes. It takes so long over a line that what the
    /// processor fetches by itself comes too late, and memory and arithmetic take turns; a tile of few rows waits for memory alone.
    /// </summary>
    public const int BytesAhead = 12 << 10;

    /// <summary>Rows of a tile that does.</summary>
    public const int LeastRowsAhead = 7;

    /// <summary>The rows in the <see cref="RowCode"/> of the tile, word by word [words][rows]; float32: k by k [K][rows].</summary>
    public float* X;

    /// <summary>The panel, from the step of the first k on.</summary>
    public byte* Panel;

    /// <summary>Bytes from the panel to its neighbour, for tiles of two panels.</summary>
    public nint PanelBytes;

    /// <summary>Length of the sums.</summary>
    public int K;

    /// <summary>The sums continue what <see cref="Y"/> holds instead of starting from 0.</summary>
    public bool Carry;

    /// <summary>Where each row's sums go [rows]: 32 numbers from <see cref="Column"/> on.</summary>
    public float** Y;

    /// <summary>First column of <see cref="Y"/>.</summary>
    public nint Column;

    /// <summary>Added to the finished sums [32], or null.</summary>
    public float* Bias;

    /// <summary>Memory that a tile asks the caches for while it works: where it begins, never null.</summary>
    public byte* Next;

    /// <summary>Bytes of <see cref="Next"/> to each step, at most half of what the tile reads itself; 0 for no more than the first line.</summary>
    public nint NextBytes;
}

/// <summary>
/// A tile: rows x 32 columns, each number one chain of fused multiply-adds over k. The columns are taken in pairs of vectors,
/// c .. and 16 + c .., as many pairs as the vector's width makes of 16 columns.
/// </summary>
internal static unsafe class Tile<TVector, TRows, TWeights>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, ITileRows<TVector>
    where TWeights : struct, ITileWeights<TVector>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(TileArgs* args)
    {
        byte* next = args->Next;
        nint nextBytes = args->NextBytes;
        for (int column = 0; column < HostWeight.PanelWidth / 2; column += TVector.Count)
        {
            nint first = args->Column + column, second = first + (HostWeight.PanelWidth / 2);
            TRows sums = default;
            if (args->Carry)
                sums.Load(args->Y, first, second);

            float* x = args->X;
            byte* weights = args->Panel + (column * sizeof(float));
            for (int left = args->K; left > 0; left -= TWeights.Depth)
            {
                TWeights.Step(ref sums, x, weights);
                if (Sse.IsSupported)
                {
                    if (TRows.Count >= TileArgs.LeastRowsAhead)
                    {
                        Sse.Prefetch1(weights + TileArgs.BytesAhead);
                        Sse.Prefetch1(weights + TileArgs.BytesAhead + (HostWeight.WordStepBytes / 2));
                    }
                    Sse.Prefetch1(next);
                }
                next += nextBytes;
                x += TWeights.Depth * TRows.Count;
                weights += HostWeight.WordStepBytes;
            }

            if (args->Bias is not null)
            {
                float* bias = args->Bias + column;
                sums.Add(TVector.Load(bias), TVector.Load(bias + (HostWeight.PanelWidth / 2)));
            }
            sums.Store(args->Y, first, second);
            // What there is to ask for was asked for in the first round.
            nextBytes = 0;
        }
    }
}
