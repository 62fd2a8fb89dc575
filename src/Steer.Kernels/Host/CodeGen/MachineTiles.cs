using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Steer.Kernels.Host.CodeGen;

/// <summary>
/// The tiles made at run time, for formats whose instruction this processor has; made once in a process, a type when it is asked for first.
/// </summary>
internal static unsafe class MachineTiles
{
    private const int Leaf = 7;
    private const int VnniInEcx = 1 << 11;
    private const int BF16InEaxOfSubleaf1 = 1 << 5;
    private const int CodeAlignment = 64;

    private static readonly Lazy<FormatTiles?> BF16 = new(() => Make(DType.BF16, RowCode.Pairs, 2));
    private static readonly Lazy<FormatTiles?> Int8 = new(() => Make(DType.Int8, RowCode.Bytes, BlockQuantizer.BlockSize));
    private static readonly Lazy<FormatTiles?> Int4 = new(() => Make(DType.Int4, RowCode.Bytes, BlockQuantizer.BlockSize));
    private static readonly Lazy<AttentionFormat?> BF16Attention = new(MakeAttention);
    private static readonly Lazy<bool> Allowed = new(() => ExecutableMemory.Place([0xC3]) is not null);

    /// <summary>Most rows of a tile.</summary>
    public static int MaxRows => TileAssembler.MaxRows;

    /// <summary>The processor multiplies pairs of bfloat16 (AVX512_BF16).</summary>
    public static bool HasBF16 { get; } = IsX64 && (X86Base.CpuId(Leaf, 1).Eax & BF16InEaxOfSubleaf1) != 0;

    /// <summary>The processor multiplies bytes (AVX512_VNNI).</summary>
    public static bool HasVnni { get; } = IsX64 && (X86Base.CpuId(Leaf, 0).Ecx & VnniInEcx) != 0;

    /// <summary>The system lets memory become executable; where it does not, portable tiles do the work.</summary>
    public static bool IsAllowed => Allowed.Value;

    /// <summary>The instructions that tiles are made of, in words; empty where there are none.</summary>
    public static string Description => (HasBF16, HasVnni, IsAllowed) switch
    {
        (false, false, _) => "",
        (_, _, false) => "no executable memory for BF16 and VNNI",
        (true, true, _) => "BF16 and VNNI",
        (true, false, _) => "BF16",
        (false, true, _) => "VNNI",
    };

    private static bool IsX64 =>
        RuntimeInformation.ProcessArchitecture == Architecture.X64 && Vector512.IsHardwareAccelerated && Avx512BW.IsSupported;

    /// <summary>Tiles of a format, or null where there are none.</summary>
    public static FormatTiles? For(WeightFormat format) => (format.Type, format.RoundActivations) switch
    {
        (DType.BF16, true) when HasBF16 && IsAllowed => BF16.Value,
        (DType.Int8, true) when HasVnni && IsAllowed => Int8.Value,
        (DType.Int4, true) when HasVnni && IsAllowed => Int4.Value,
        _ => null,
    };

    /// <summary>Tiles of attention over bfloat16 that meets rounded queries and weights, or null where there are none.</summary>
    public static AttentionFormat? Attention => HasBF16 && IsAllowed ? BF16Attention.Value : null;

    private static FormatTiles? Make(DType type, RowCode code, int depth)
    {
        var tiles = Place<TileArgs>(MaxRows, (rows, convention) => TileAssembler.Assemble(new TileShape(type, rows), convention));
        return tiles is null ? null : new(code, depth, tiles);
    }

    private static AttentionFormat? MakeAttention()
    {
        var scores = Place<AttentionTileArgs>(AttentionAssembler.MaxQueries, AttentionAssembler.Scores);
        var values = Place<AttentionTileArgs>(AttentionAssembler.MaxQueries, AttentionAssembler.Values);
        return scores is null || values is null ? null : new(RowCode.Pairs, scores, values);
    }

    // The code of tiles of 1, 2, ... rows in executable memory, or null where the system refuses it.
    private static TileCode<TArgs>[]? Place<TArgs>(int maxRows, Func<int, CallingConvention, byte[]> assemble)
        where TArgs : unmanaged
    {
        var convention = OperatingSystem.IsWindows() ? CallingConvention.Windows : CallingConvention.SystemV;
        using var all = new MemoryStream();
        var starts = new int[maxRows];
        for (int rows = 1; rows <= maxRows; rows++)
        {
            all.SetLength((all.Length + CodeAlignment - 1) / CodeAlignment * CodeAlignment);
            all.Position = all.Length;
            starts[rows - 1] = (int)all.Length;
            all.Write(assemble(rows, convention));
        }
        byte* memory = ExecutableMemory.Place(all.GetBuffer().AsSpan(0, (int)all.Length));
        if (memory is null)
            return null;
        var tiles = new TileCode<TArgs>[maxRows];
        for (int i = 0; i < maxRows; i++)
            tiles[i] = new TileCode<TArgs>(memory + starts[i]);
        return tiles;
    }
}
