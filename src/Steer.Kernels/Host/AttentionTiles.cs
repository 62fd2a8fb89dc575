using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>What a tile of attention works on: some queries (heads of rows) and the blocks of a chunk of their context.</summary>
internal unsafe struct AttentionTileArgs
{
    /// <summary>Scores: the queries, column by column [head dim][queries]. Values: the queries' weights [queries][chunk], from the first position on.</summary>
    public float* X;

    /// <summary>The numbers of each block of the chunk: keys [head dim][16], or a plane of values [16][32].</summary>
    public byte** Blocks;

    /// <summary>What to fetch meanwhile, in the order of <see cref="Blocks"/>: the records of the chunk that comes next, or the same again for nothing.</summary>
    public byte** Next;

    /// <summary>Scores: blocks. Values: positions.</summary>
    public int Count;

    /// <summary>Scores: head dim. Values: position of the chunk that comes first.</summary>
    public int Extent;

    /// <summary>Bytes from a record's start to its keys, or to the plane of its values.</summary>
    public nint Offset;

    /// <summary>Where each query's results go [queries].</summary>
    public float** Y;

    /// <summary>Values: column of <see cref="Y"/> that the plane begins at.</summary>
    public nint Column;

    /// <summary>Values: the sums continue what <see cref="Y"/> holds instead of starting from 0.</summary>
    public bool Carry;
}

/// <summary>y[q][position] = query . key for the positions of some blocks, one chain of fused multiply-adds over ascending columns.</summary>
internal static unsafe class ScoreTile<TVector, TRows, TNumbers>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, IQueryRows<TVector>
    where TNumbers : struct, IKvNumbers
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(AttentionTileArgs* args)
    {
        const int BlockSize = KvCacheShape.BlockSize;
        for (int block = 0; block < args->Count; block += 2)
        {
            // A last block without a partner goes with itself: its scores are written twice, the second time where nobody reads them.
            int partner = Math.Min(block + 1, args->Count - 1);
            byte* first = args->Blocks[block] + args->Offset, second = args->Blocks[partner] + args->Offset;
            nint nextFirst = (nint)(args->Next[block] - args->Blocks[block]), nextSecond = (nint)(args->Next[partner] - args->Blocks[partner]);
            for (int position = 0; position < BlockSize; position += TVector.Count)
            {
                TRows sums = default;
                float* x = args->X;
                byte* a = first + (position * TNumbers.Size), b = second + (position * TNumbers.Size);
                for (int left = args->Extent; left > 0; left--)
                {
                    Prefetch.Read(a + nextFirst);
                    Prefetch.Read(b + nextSecond);
                    sums.MultiplyAdd(x, TNumbers.Load<TVector>(a), TNumbers.Load<TVector>(b));
                    a += BlockSize * TNumbers.Size;
                    b += BlockSize * TNumbers.Size;
                    x += TRows.Count;
                }
                int column = (block * BlockSize) + position;
                sums.Store(args->Y, column, column + BlockSize);
            }
        }
    }
}

/// <summary>y[q][column] = sum over positions of weight * value for the 32 columns of a plane, one chain over ascending positions.</summary>
internal static unsafe class ValueTile<TVector, TRows, TNumbers>
    where TVector : struct, ISimdVector<TVector>
    where TRows : struct, IQueryRows<TVector>
    where TNumbers : struct, IKvNumbers
{
    private const int Half = HostKvCache.PlaneWidth / 2;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(AttentionTileArgs* args)
    {
        const int BlockSize = KvCacheShape.BlockSize;
        for (int column = 0; column < Half; column += TVector.Count)
        {
            nint first = args->Column + column;
            TRows sums = default;
            if (args->Carry)
                sums.Load(args->Y, first, first + Half);
            float* x = args->X;
            byte** block = args->Blocks + (args->Extent / BlockSize), next = args->Next + (args->Extent / BlockSize);
            int offset = args->Extent % BlockSize;
            for (int left = args->Count; left > 0; block++, next++)
            {
                nint ahead = (nint)(*next - *block);
                byte* value = *block + args->Offset + (((offset * HostKvCache.PlaneWidth) + column) * TNumbers.Size);
                int count = Math.Min(BlockSize - offset, left);
                left -= count;
                offset = 0;
                for (; count > 0; count--)
                {
                    Prefetch.Read(value + ahead);
                    Prefetch.Read(value + ahead + (Half * TNumbers.Size));
                    sums.MultiplyAddColumn(x, TNumbers.Load<TVector>(value), TNumbers.Load<TVector>(value + (Half * TNumbers.Size)));
                    value += HostKvCache.PlaneWidth * TNumbers.Size;
                    x++;
                }
            }
            sums.Store(args->Y, first, first + Half);
        }
    }
}

/// <summary>The tiles of attention for one width of vectors and each type of cache, by their number of queries; all widths give the same bits.</summary>
internal sealed unsafe class AttentionTiles
{
    private readonly delegate*<AttentionTileArgs*, void>[][] _scores;
    private readonly delegate*<AttentionTileArgs*, void>[][] _values;

    private AttentionTiles(int maxQueries)
    {
        MaxQueries = maxQueries;
        _scores = Empty(maxQueries);
        _values = Empty(maxQueries);
    }

    /// <summary>Most queries of a tile.</summary>
    public int MaxQueries { get; }

    /// <summary>Tiles for an instruction set that the processor has: as many queries as the registers hold.</summary>
    public static AttentionTiles For(InstructionSet set) => set switch
    {
        InstructionSet.Vector128 => Make<Simd128>(6),
        InstructionSet.Avx2 => Make<Simd256>(6),
        InstructionSet.Avx512 or InstructionSet.Avx512Bf16Vnni => Make<Simd512>(12),
        _ => For(InstructionSets.Supported[^1]),
    };

    /// <summary>The tile that scores.</summary>
    public delegate*<AttentionTileArgs*, void> Scores(DType type, int queries) => _scores[Index(type)][queries - 1];

    /// <summary>The tile that sums values.</summary>
    public delegate*<AttentionTileArgs*, void> Values(DType type, int queries) => _values[Index(type)][queries - 1];

    private static delegate*<AttentionTileArgs*, void>[][] Empty(int maxQueries)
    {
        var types = new delegate*<AttentionTileArgs*, void>[3][];
        for (int i = 0; i < types.Length; i++)
            types[i] = new delegate*<AttentionTileArgs*, void>[maxQueries];
        return types;
    }

    private static int Index(DType type) => type switch
    {
        DType.F32 => 0,
        DType.BF16 => 1,
        _ => 2,
    };

    private static AttentionTiles Make<TVector>(int maxQueries)
        where TVector : struct, ISimdVector<TVector>
    {
        var tiles = new AttentionTiles(maxQueries);
        tiles.Fill<TVector, OneQuery<TVector>>();
        return tiles;
    }

    private void Fill<TVector, TRows>()
        where TVector : struct, ISimdVector<TVector>
        where TRows : struct, IQueryRows<TVector>
    {
        Add<TVector, TRows, F32Numbers>(DType.F32);
        Add<TVector, TRows, BF16Numbers>(DType.BF16);
        Add<TVector, TRows, Int8Numbers>(DType.Int8);
        if (TRows.Count < MaxQueries)
            Fill<TVector, MoreQueries<TVector, TRows>>();
    }

    private void Add<TVector, TRows, TNumbers>(DType type)
        where TVector : struct, ISimdVector<TVector>
        where TRows : struct, IQueryRows<TVector>
        where TNumbers : struct, IKvNumbers
    {
        _scores[Index(type)][TRows.Count - 1] = &ScoreTile<TVector, TRows, TNumbers>.Run;
        _values[Index(type)][TRows.Count - 1] = &ValueTile<TVector, TRows, TNumbers>.Run;
    }
}
