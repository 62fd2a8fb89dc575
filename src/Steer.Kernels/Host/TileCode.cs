namespace Steer.Kernels.Host;

/// <summary>The code of a tile: compiled C#, or machine code made at run time.</summary>
/// <typeparam name="TArgs">What it works on.</typeparam>
internal readonly unsafe struct TileCode<TArgs>
    where TArgs : unmanaged
{
    private readonly delegate*<TArgs*, void> _compiled;
    private readonly delegate* unmanaged[Cdecl, SuppressGCTransition]<TArgs*, void> _machine;

    public TileCode(delegate*<TArgs*, void> compiled) => _compiled = compiled;

    /// <summary>Code in executable memory: microseconds of work that calls nothing, so that a garbage collection may wait for it.</summary>
    public TileCode(void* machine) => _machine = (delegate* unmanaged[Cdecl, SuppressGCTransition]<TArgs*, void>)machine;

    /// <summary>There is code.</summary>
    public bool Exists => _compiled is not null || _machine is not null;

    public void Run(TArgs* args)
    {
        if (_compiled is not null)
            _compiled(args);
        else
            _machine(args);
    }
}

/// <summary>What multiplies weights of one <see cref="WeightFormat"/>.</summary>
/// <param name="code">How the tiles want rows of x.</param>
/// <param name="depth">k in a step of the tiles.</param>
/// <param name="rows">Tiles of 1, 2, ... rows x 32 columns.</param>
internal sealed unsafe class FormatTiles(RowCode code, int depth, TileCode<TileArgs>[] rows)
{
    /// <summary>How the tiles want rows of x.</summary>
    public RowCode Code { get; } = code;

    /// <summary>k in a step of the tiles.</summary>
    public int Depth { get; } = depth;

    /// <summary>A tile of one row x 64 columns, two panels, where that is of use.</summary>
    public TileCode<TileArgs> Stream { get; init; }

    /// <summary>Where tiles read float32: widens blocks of a panel to it. Otherwise null.</summary>
    public delegate*<byte*, int, float*, void> Widen { get; init; }

    /// <summary>The tile of <paramref name="count"/> rows x 32 columns.</summary>
    public TileCode<TileArgs> Rows(int count) => rows[count - 1];
}
