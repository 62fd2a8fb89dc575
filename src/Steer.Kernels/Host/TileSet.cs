using Steer.Kernels.Host.CodeGen;

namespace Steer.Kernels.Host;

/// <summary>
/// The tiles of one processor: the one place where it is decided which code multiplies. All tiles of a set give the same bits, those of different
/// sets too: a vector's width changes which columns are worked on together, not the order of any sum.
/// </summary>
internal sealed class TileSet
{
    private readonly Func<WeightFormat, int, FormatTiles> _portable;
    private readonly bool _machine;
    private readonly Dictionary<WeightFormat, FormatTiles> _formats = [];
    private readonly FormatTiles _f32;
    private readonly FormatTiles _bf16;

    private TileSet(Func<WeightFormat, int, FormatTiles> portable, int maxRows, bool machine, string description)
    {
        Description = description;
        _portable = portable;
        _machine = machine;
        MaxRows = maxRows;
        _f32 = For(DType.F32);
        _bf16 = For(DType.BF16);
    }

    /// <summary>Most rows of a tile: as many as the registers hold (32 vectors with AVX-512, else 16).</summary>
    public int MaxRows { get; }

    /// <summary>What multiplies, in words.</summary>
    public string Description { get; }

    /// <summary>Tiles for an instruction set that the processor has.</summary>
    public static TileSet For(InstructionSet set) => set switch
    {
        InstructionSet.Vector128 => new(PortableTiles<Simd128>.Make, 6, false, "128-bit vectors"),
        InstructionSet.Avx2 => new(PortableTiles<Simd256>.Make, 6, false, "256-bit vectors"),
        InstructionSet.Avx512 => new(PortableTiles<Simd512>.Make, MachineTiles.MaxRows, false, "512-bit vectors"),
        InstructionSet.Avx512Bf16Vnni => new(PortableTiles<Simd512>.Make, MachineTiles.MaxRows, true, "512-bit vectors, " + MachineTiles.Description),
        _ when MachineTiles.Description.Length > 0 => For(InstructionSet.Avx512Bf16Vnni),
        _ => For(InstructionSets.Supported[^1]),
    };

    /// <summary>The tiles of a format; made when they are asked for first.</summary>
    public FormatTiles For(WeightFormat format)
    {
        if (!_formats.TryGetValue(format, out var tiles))
        {
            tiles = (_machine ? MachineTiles.For(format) : null) ?? _portable(format, MaxRows);
            _formats.Add(format, tiles);
        }
        return tiles;
    }

    /// <summary>The float32 tile of <paramref name="rows"/> rows x 32 columns.</summary>
    public TileCode<TileArgs> F32(int rows) => _f32.Rows(rows);

    /// <summary>
    /// y = x W^T on panels [first, end) of a float32 or bfloat16 weight, over a range of k: for products that are too small to share. Single rows
    /// take two panels at a time.
    /// </summary>
    /// <param name="weight">W.</param>
    /// <param name="first">First panel.</param>
    /// <param name="end">End of the panels.</param>
    /// <param name="k">First k, which begins a step.</param>
    /// <param name="count">Number of k, which ends one.</param>
    /// <param name="x">Rows in tile order [count][rows].</param>
    /// <param name="y">Rows of whole panels, the first panel at column 0.</param>
    /// <param name="rows">Rows.</param>
    public unsafe void Multiply(HostWeight weight, int first, int end, int k, int count, float* x, float** y, int rows)
    {
        var tiles = weight.Type == DType.F32 ? _f32 : _bf16;
        var args = new TileArgs { X = x, K = count, Y = y, PanelBytes = (nint)weight.PanelBytes, Next = (byte*)x };
        for (int panel = first; panel < end;)
        {
            bool pair = rows == 1 && panel + 1 < end;
            args.Column = (panel - first) * HostWeight.PanelWidth;
            args.Panel = weight.Panel(panel, k);
            if (pair)
                tiles.Stream.Run(&args);
            else
                tiles.Rows(rows).Run(&args);
            panel += pair ? 2 : 1;
        }
    }
}
