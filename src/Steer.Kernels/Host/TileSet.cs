namespace Steer.Kernels.Host;

/// <summary>
/// The tiles of one processor: the one place where it is decided which code multiplies. All tiles of a set give the same bits, those of different
/// sets too: a vector's width changes which columns are worked on together, not the order of any sum.
/// </summary>
internal sealed unsafe class TileSet
{
    private readonly delegate*<TileArgs*, void>[] _f32;
    private readonly delegate*<TileArgs*, void>[] _bf16;
    private readonly delegate*<TileArgs*, void> _f32Stream;
    private readonly delegate*<TileArgs*, void> _bf16Stream;

    private TileSet(
        delegate*<TileArgs*, void>[] f32, delegate*<TileArgs*, void>[] bf16,
        delegate*<TileArgs*, void> f32Stream, delegate*<TileArgs*, void> bf16Stream)
    {
        _f32 = f32;
        _bf16 = bf16;
        _f32Stream = f32Stream;
        _bf16Stream = bf16Stream;
    }

    /// <summary>Most rows of a tile.</summary>
    public int MaxRows => _f32.Length;

    /// <summary>Tiles for vectors of 512, 256 or 128 bits: as many rows as the registers hold (32 vectors with AVX-512, else 16).</summary>
    public static TileSet For(int vectorBits) => vectorBits switch
    {
        512 => Make<Simd512>(12),
        256 => Make<Simd256>(6),
        _ => Make<Simd128>(6),
    };

    /// <summary>The tile of <paramref name="rows"/> rows x 32 columns.</summary>
    public delegate*<TileArgs*, void> Rows(DType type, int rows) => (type == DType.F32 ? _f32 : _bf16)[rows - 1];

    /// <summary>The tile of one row x 64 columns.</summary>
    public delegate*<TileArgs*, void> Stream(DType type) => type == DType.F32 ? _f32Stream : _bf16Stream;

    /// <summary>
    /// y = x W^T on panels [first, end) of a weight: for products that are too small to share. Single rows take two panels at a time.
    /// </summary>
    /// <param name="weight">W.</param>
    /// <param name="first">First panel.</param>
    /// <param name="end">End of the panels.</param>
    /// <param name="x">Rows in tile order [k][rows].</param>
    /// <param name="y">Rows of whole panels, the first panel at column 0.</param>
    /// <param name="rows">Rows.</param>
    public void Multiply(HostWeight weight, int first, int end, float* x, float** y, int rows)
    {
        byte** panels = stackalloc byte*[2];
        var args = weight.Args(x, panels, y);
        for (int panel = first; panel < end;)
        {
            bool pair = rows == 1 && panel + 1 < end;
            args.Column = (panel - first) * HostWeight.PanelWidth;
            panels[0] = weight.Panel(panel++);
            if (pair)
            {
                panels[1] = weight.Panel(panel++);
                Stream(weight.Type)(&args);
            }
            else
            {
                Rows(weight.Type, rows)(&args);
            }
        }
    }

    private static TileSet Make<TVector>(int maxRows)
        where TVector : struct, ISimdVector<TVector>
    {
        var f32 = new delegate*<TileArgs*, void>[maxRows];
        var bf16 = new delegate*<TileArgs*, void>[maxRows];
        Fill<TVector, OneRow<TVector>>(f32, bf16);
        return new TileSet(f32, bf16, &StreamTile<TVector, F32Weights<TVector>>.Run, &StreamTile<TVector, BF16Weights<TVector>>.Run);
    }

    private static void Fill<TVector, TRows>(delegate*<TileArgs*, void>[] f32, delegate*<TileArgs*, void>[] bf16)
        where TVector : struct, ISimdVector<TVector>
        where TRows : struct, ITileRows<TVector>
    {
        f32[TRows.Count - 1] = &Tile<TVector, TRows, F32Weights<TVector>>.Run;
        bf16[TRows.Count - 1] = &Tile<TVector, TRows, BF16Weights<TVector>>.Run;
        if (TRows.Count < f32.Length)
            Fill<TVector, MoreRows<TVector, TRows>>(f32, bf16);
    }
}
