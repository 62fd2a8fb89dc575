using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>What a tile of attention works on: some queries (heads of rows) and the blocks of a chunk of their context.</summary>
internal unsafe struct AttentionTileArgs
{
    /// <summary>Blocks of a chunk.</summary>
    public const int MaxBlocks = AttentionArgs.Chunk / KvCacheShape.BlockSize;

    /// <summary>
    /// The record of each block of the chunk, as addresses; an odd number of blocks is followed by the last once more, whose scores nobody reads.
    /// </summary>
    public fixed long Blocks[MaxBlocks];

    /// <summary>What to fetch meanwhile, in the order of <see cref="Blocks"/>: a record that comes later, or the same again for nothing.</summary>
    public fixed long Next[MaxBlocks];

    /// <summary>
    /// Scores: the queries, column by column [head dim][queries], in pairs [head dim / 2][queries][2] where the tile wants them so. Values: the
    /// queries' weights [queries][chunk], from the first position on; pairs of them lie in the first half of their row.
    /// </summary>
    public float* X;

    /// <summary>Where each query's results go [queries].</summary>
    public float** Y;

    /// <summary>Scores: blocks. Values: positions.</summary>
    public nint Count;

    /// <summary>Scores: head dim. Values: position of the chunk that comes first.</summary>
    public nint Extent;

    /// <summary>Values: bytes from a record's start to the plane.</summary>
    public nint Offset;

    /// <summary>Values: column of <see cref="Y"/> that the plane begins at.</summary>
    public nint Column;

    /// <summary>Values: the sums continue what <see cref="Y"/> holds instead of starting from 0.</summary>
    public nint Carry;

    /// <summary>Memory of a tile made at run time: the block that it is at.</summary>
    public nint Block;

    /// <summary>A block's record.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly byte* Record(nint block) => (byte*)Blocks[block];

    /// <summary>Nothing is to be fetched: <see cref="Next"/> is what is worked on.</summary>
    public void FetchNothing()
    {
        for (int i = 0; i < MaxBlocks; i++)
            Next[i] = Blocks[i];
    }

    /// <summary>Bytes from an address in a block's record to what is fetched for it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly nint Ahead(nint block) => (nint)(Next[block] - Blocks[block]);
}

/// <summary>
/// y[q][position] = query . key for the positions of some blocks: one chain of fused multiply-adds over ascending columns, of two that lie in a word
/// in the order of <typeparamref name="TNumbers"/>.
/// </summary>
internal static unsafe class ScoreTile<TVector, TRows, TNumbers>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, ITileRows<TVector>
    where TNumbers : struct, IKvNumbers
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(AttentionTileArgs* args)
    {
        const int BlockSize = KvCacheShape.BlockSize;
        int size = TNumbers.Size * TNumbers.Depth;
        for (int block = 0; block < args->Count; block += 2)
        {
            nint nextFirst = args->Ahead(block), nextSecond = args->Ahead(block + 1);
            for (int position = 0; position < BlockSize; position += TVector.Count)
            {
                TRows sums = default;
                float* x = args->X;
                byte* a = args->Record(block) + (position * size), b = args->Record(block + 1) + (position * size);
                for (nint left = args->Extent; left > 0; left -= TNumbers.Depth)
                {
                    Prefetch.Read(a + nextFirst);
                    Prefetch.Read(b + nextSecond);
                    if (TNumbers.UpperFirst)
                        sums.MultiplyAdd(x + TRows.Count, TNumbers.Load<TVector>(a, 1), TNumbers.Load<TVector>(b, 1));
                    sums.MultiplyAdd(x, TNumbers.Load<TVector>(a, 0), TNumbers.Load<TVector>(b, 0));
                    if (TNumbers.Depth == 2 && !TNumbers.UpperFirst)
                        sums.MultiplyAdd(x + TRows.Count, TNumbers.Load<TVector>(a, 1), TNumbers.Load<TVector>(b, 1));
                    a += BlockSize * size;
                    b += BlockSize * size;
                    x += TRows.Count * TNumbers.Depth;
                }
                int column = (block * BlockSize) + position;
                sums.Store(args->Y, column, column + BlockSize);
            }
        }
    }
}

/// <summary>
/// y[q][column] = sum over positions of weight * value for the 32 columns of a plane: one chain over ascending positions, of two that lie in a word
/// in the order of <typeparamref name="TNumbers"/>. Of a word whose other position is not asked for that is not touched.
/// </summary>
internal static unsafe class ValueTile<TVector, TRows, TNumbers>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, ITileRows<TVector>
    where TNumbers : struct, IKvNumbers
{
    private const int Half = HostKvCache.PlaneWidth / 2;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(AttentionTileArgs* args)
    {
        const int BlockSize = KvCacheShape.BlockSize;
        int size = TNumbers.Size * TNumbers.Depth, rowBytes = HostKvCache.PlaneWidth * size;
        for (int column = 0; column < Half; column += TVector.Count)
        {
            nint first = args->Column + column;
            TRows sums = default;
            if (args->Carry != 0)
                sums.Load(args->Y, first, first + Half);
            float* x = args->X;
            nint block = args->Extent / BlockSize, offset = args->Extent % BlockSize;
            for (nint left = args->Count; left > 0; block++)
            {
                nint ahead = args->Ahead(block);
                byte* value = args->Record(block) + args->Offset + (offset / TNumbers.Depth * rowBytes) + (column * size);
                nint count = Math.Min(BlockSize - offset, left);
                left -= count;
                if (TNumbers.Depth == 2 && offset % 2 == 1)
                {
                    Add(ref sums, x, value, 1);
                    count--;
                    value += rowBytes;
                    x++;
                }
                offset = 0;
                for (; count >= TNumbers.Depth; count -= TNumbers.Depth)
                {
                    Prefetch.Read(value + ahead);
                    Prefetch.Read(value + ahead + (Half * size));
                    if (TNumbers.UpperFirst)
                        Add(ref sums, x + 1, value, 1);
                    Add(ref sums, x, value, 0);
                    if (TNumbers.Depth == 2 && !TNumbers.UpperFirst)
                        Add(ref sums, x + 1, value, 1);
                    value += rowBytes;
                    x += TNumbers.Depth;
                }
                if (TNumbers.Depth == 2 && count == 1)
                    Add(ref sums, x++, value, 0);
            }
            sums.Store(args->Y, first, first + Half);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(ref TRows sums, float* x, byte* value, int half) =>
        sums.MultiplyAddStrided(
            x, AttentionArgs.Chunk, TNumbers.Load<TVector>(value, half),
            TNumbers.Load<TVector>(value + (Half * TNumbers.Size * TNumbers.Depth), half));
}
