using Steer.Kernels.Host.CodeGen;

namespace Steer.Kernels.Host;

/// <summary>The tiles of one kind of cache.</summary>
/// <param name="code">How the tiles want queries and weights: float32, rounded, or in pairs.</param>
/// <param name="scores">Tiles that score, of 1, 2, ... queries.</param>
/// <param name="values">Tiles that sum values, of 1, 2, ... queries.</param>
internal sealed class AttentionFormat(RowCode code, TileCode<AttentionTileArgs>[] scores, TileCode<AttentionTileArgs>[] values)
{
    /// <summary>
    /// How the tiles want queries and weights: <see cref="RowCode.Float"/>, <see cref="RowCode.RoundedFloat"/> or <see cref="RowCode.Pairs"/>. Tiles
    /// of pairs sum values from an even position to an odd one.
    /// </summary>
    public RowCode Code { get; } = code;

    /// <summary>The tile that scores.</summary>
    public TileCode<AttentionTileArgs> Scores(int queries) => scores[queries - 1];

    /// <summary>The tile that sums values.</summary>
    public TileCode<AttentionTileArgs> Values(int queries) => values[queries - 1];
}

/// <summary>The tiles of attention for one instruction set, by the kind of cache and the number of queries; all sets give the same bits.</summary>
internal sealed unsafe class AttentionTiles
{
    private readonly AttentionFormat _f32;
    private readonly AttentionFormat _bf16;
    private readonly AttentionFormat _roundedBF16;
    private readonly AttentionFormat _int8;

    private AttentionTiles(int maxQueries, AttentionFormat f32, AttentionFormat bf16, AttentionFormat roundedBF16, AttentionFormat int8)
    {
        MaxQueries = maxQueries;
        _f32 = f32;
        _bf16 = bf16;
        _roundedBF16 = roundedBF16;
        _int8 = int8;
    }

    /// <summary>Most queries of a tile.</summary>
    public int MaxQueries { get; }

    /// <summary>Tiles for an instruction set that the processor has: as many queries as the registers hold.</summary>
    public static AttentionTiles For(InstructionSet set) => set switch
    {
        InstructionSet.Vector128 => Make<Simd128>(6, machine: false),
        InstructionSet.Avx2 => Make<Simd256>(6, machine: false),
        InstructionSet.Avx512 => Make<Simd512>(AttentionAssembler.MaxQueries, machine: false),
        InstructionSet.Avx512Bf16Vnni => Make<Simd512>(AttentionAssembler.MaxQueries, machine: true),
        _ when MachineTiles.Description.Length > 0 => For(InstructionSet.Avx512Bf16Vnni),
        _ => For(InstructionSets.Supported[^1]),
    };

    /// <summary>The tiles of a cache.</summary>
    public AttentionFormat For(in KvCacheShape shape) => shape.Type switch
    {
        DType.F32 => _f32,
        DType.BF16 => shape.RoundActivations ? _roundedBF16 : _bf16,
        _ => _int8,
    };

    private static AttentionTiles Make<TVector>(int maxQueries, bool machine)
        where TVector : struct, ISimdVector<TVector> =>
        new(
            maxQueries,
            Portable<TVector, F32Numbers>(maxQueries, RowCode.Float),
            Portable<TVector, BF16Numbers<ExactBF16>>(maxQueries, RowCode.Float),
            (machine ? MachineTiles.Attention : null) ?? Portable<TVector, BF16Numbers<RoundedBF16>>(maxQueries, RowCode.RoundedFloat),
            Portable<TVector, Int8Numbers>(maxQueries, RowCode.Float));

    private static AttentionFormat Portable<TVector, TNumbers>(int maxQueries, RowCode code)
        where TVector : struct, ISimdVector<TVector>
        where TNumbers : struct, IKvNumbers
    {
        TileCode<AttentionTileArgs>[] scores = new TileCode<AttentionTileArgs>[maxQueries], values = new TileCode<AttentionTileArgs>[maxQueries];
        Fill<TVector, OneRow<TVector>, TNumbers>(scores, values);
        return new(code, scores, values);
    }

    private static void Fill<TVector, TRows, TNumbers>(TileCode<AttentionTileArgs>[] scores, TileCode<AttentionTileArgs>[] values)
        where TVector : struct, ISimdVector<TVector>
        where TRows : struct, ITileRows<TVector>
        where TNumbers : struct, IKvNumbers
    {
        scores[TRows.Count - 1] = new(&ScoreTile<TVector, TRows, TNumbers>.Run);
        values[TRows.Count - 1] = new(&ValueTile<TVector, TRows, TNumbers>.Run);
        if (TRows.Count < scores.Length)
            Fill<TVector, MoreRows<TVector, TRows>, TNumbers>(scores, values);
    }
}
