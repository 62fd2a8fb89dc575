namespace Steer.Kernels.Host;

/// <summary>The tiles that C# makes of a vector type: every format, on every processor.</summary>
internal static unsafe class PortableTiles<TVector>
    where TVector : struct, ISimdVector<TVector>
{
    /// <summary>Tiles of 1 to <paramref name="maxRows"/> rows.</summary>
    public static FormatTiles Make(WeightFormat format, int maxRows) => (format.Type, format.RoundActivations) switch
    {
        (DType.F32, _) => Streamed<F32Weights<TVector>>(RowCode.Float, maxRows),
        (DType.F16, _) => Streamed<PairWeights<TVector, ExactF16>>(RowCode.Float, maxRows),
        (DType.BF16, false) => Streamed<PairWeights<TVector, ExactBF16>>(RowCode.Float, maxRows),
        (DType.BF16, true) => Streamed<PairWeights<TVector, RoundedBF16>>(RowCode.RoundedFloat, maxRows),
        (DType.Int8, false) => Widened<Int8Blocks>(maxRows),
        (DType.Int4, false) => Widened<Int4Blocks>(maxRows),
        (DType.Int8, true) => Blocks<Int8Blocks>(maxRows),
        (DType.Int4, true) => Blocks<Int4Blocks>(maxRows),
        _ => throw new ArgumentOutOfRangeException(nameof(format), format, "Unknown storage type."),
    };

    private static FormatTiles Streamed<TWeights>(RowCode code, int maxRows)
        where TWeights : struct, ITileWeights<TVector>
    {
        var tiles = new TileCode<TileArgs>[maxRows];
        Fill<OneRow<TVector>, TWeights>(tiles);
        return new(code, TWeights.Depth, tiles) { Stream = new(&StreamTile<TVector, TWeights>.Run) };
    }

    private static FormatTiles Widened<TBlocks>(int maxRows)
        where TBlocks : struct, IBlocks
    {
        var tiles = new TileCode<TileArgs>[maxRows];
        Fill<OneRow<TVector>, F32Weights<TVector>>(tiles);
        return new(RowCode.Float, 1, tiles) { Widen = &BlockWidener<TVector, TBlocks>.Run };
    }

    private static FormatTiles Blocks<TBlocks>(int maxRows)
        where TBlocks : struct, IBlocks
    {
        var tiles = new TileCode<TileArgs>[maxRows];
        FillBlocks<OneRow<TVector>, TBlocks>(tiles);
        return new(RowCode.Shorts, BlockQuantizer.BlockSize, tiles);
    }

    private static void Fill<TRows, TWeights>(TileCode<TileArgs>[] tiles)
        where TRows : struct, ITileRows<TVector>
        where TWeights : struct, ITileWeights<TVector>
    {
        tiles[TRows.Count - 1] = new(&Tile<TVector, TRows, TWeights>.Run);
        if (TRows.Count < tiles.Length)
            Fill<MoreRows<TVector, TRows>, TWeights>(tiles);
    }

    private static void FillBlocks<TRows, TBlocks>(TileCode<TileArgs>[] tiles)
        where TRows : struct, ITileRows<TVector>
        where TBlocks : struct, IBlocks
    {
        tiles[TRows.Count - 1] = new(&BlockTile<TVector, TRows, TBlocks>.Run);
        if (TRows.Count < tiles.Length)
            FillBlocks<MoreRows<TVector, TRows>, TBlocks>(tiles);
    }
}
