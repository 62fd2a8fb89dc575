using ILGPU;

namespace Steer.Kernels.Gpu;

/// <summary>
/// Where the numbers of a weight [n, k] lie: the one definition that packing and kernels share. Both layouts let the lanes of a warp read 16 bytes
/// each from one run of memory.
/// <list type="bullet">
/// <item>Columns: [n / 32][k / c][32 rows][16 bytes], where c numbers take 16 bytes. A thread walks down k for one output column.</item>
/// <item>Tiles: [n / 16][k / stage][2 groups][32 lanes][16 bytes], where a group of 8 words along k is one step of a tensor core in the order of its
/// fragments (see <see cref="Cuda.TensorCore"/>), in which words 2t and 2t + 1 take the places t and t + 4: so a lane's numbers are neighbours. F32:
/// [2 groups of 16 numbers][rows g, g + 8][32 lanes][16 bytes]. Int4: [32 lanes][16 bytes] for both groups, and a byte holds rows r and r + 8.</item>
/// </list>
/// Rows and k are filled up with zeros. Blocks of int8 and int4 have a word of bfloat16 scale (lower half) and minimum (upper half), in tiles as [n /
/// 16][k / stage][8 rows][2 rows, r and r + 8][2 groups].
/// </summary>
internal readonly struct WeightLayout
{
    /// <summary>Groups of 8 words in a stage of a tile.</summary>
    public const int GroupsPerStage = 2;

    /// <summary>Words that the lanes of a warp read at once, 16 bytes each.</summary>
    public const int PieceWords = 4 * Cuda.Warps.Size;

    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 16;

    /// <summary>Most tiles that a group of threads reads: a weight is filled up to a multiple of it.</summary>
    public const int TilesPerGroup = 8;

    /// <summary>Rows of a panel of columns.</summary>
    public const int ColumnRows = 32;

    private readonly int _tiled;

    public WeightLayout(DType type, bool tiled, int k)
    {
        Type = type;
        _tiled = tiled ? 1 : 0;
        Steps = (k + NumbersPerStep - 1) / NumbersPerStep;
    }

    /// <summary>How the numbers are stored.</summary>
    public DType Type { get; }

    /// <summary>Steps along k: stages of tiles, or runs of 16 bytes of columns.</summary>
    public int Steps { get; }

    /// <summary>Numbers along k in a step.</summary>
    public int NumbersPerStep => _tiled != 0 ? (Bits >= 16 ? 32 : 64)
        : Type == DType.F32 ? 4
        : Type == DType.Int8 ? 16
        : Type == DType.Int4 ? 32
        : 8;

    /// <summary>Rows that are packed together.</summary>
    public int PanelRows => _tiled != 0 ? TileRows : ColumnRows;

    /// <summary>Panels of a weight of <paramref name="n"/> rows: of tiles as many as the largest group of a product reads at once.</summary>
    public int Panels(int n)
    {
        int together = _tiled != 0 ? PanelRows * TilesPerGroup : PanelRows;
        return (int)(((long)n + together - 1) / together) * (together / PanelRows);
    }

    /// <summary>Words of one step of a panel.</summary>
    public int StepWords => _tiled == 0 || Type == DType.Int4 ? PieceWords : Type == DType.F32 ? 4 * PieceWords : 2 * PieceWords;

    /// <summary>Words of a panel.</summary>
    public long PanelWords => (long)Steps * StepWords;

    /// <summary>Blocks along k for which a panel has scales.</summary>
    public int Blocks => Type is not (DType.Int8 or DType.Int4) ? 0
        : _tiled != 0 ? GroupsPerStage * Steps
        : ((Steps * NumbersPerStep) + BlockQuantizer.BlockSize - 1) / BlockQuantizer.BlockSize;

    /// <summary>Words of a panel's scales.</summary>
    public long PanelScales => (long)PanelRows * Blocks;

    /// <summary>The first step of a part where k is summed in parts, which is also the end of the part before.</summary>
    public int PartStart(int part, int parts) => (int)((long)part * Steps / parts);

    /// <summary>Bits of one number.</summary>
    public int Bits => Type == DType.F32 ? 32 : Type == DType.Int8 ? 8 : Type == DType.Int4 ? 4 : 16;

    /// <summary>The word of number (row, k).</summary>
    public long Word(int row, int k)
    {
        int step = k / NumbersPerStep, rest = k % NumbersPerStep;
        long start = (row / PanelRows * PanelWords) + ((long)step * StepWords);
        if (_tiled == 0)
            return start + (row % ColumnRows * 4) + (rest * Bits / 32);
        int half = row % TileRows / 8;
        if (Type == DType.F32)
            return start + (rest / 16 * 256) + (half * 128) + (row % 8 * 16) + (rest % 16);
        int perWord = Bits == 16 ? 2 : 4;
        int group = rest / perWord / 8, word = rest / perWord % 8;
        int lane = (row % 8 * 4) + (word / 2);
        return Type == DType.Int4
            ? start + (lane * 4) + (group * 2) + (word % 2)
            : start + (group * 128) + (lane * 4) + half + (word % 2 * 2);
    }

    /// <summary>The lowest bit, in its word, of number (row, k).</summary>
    public int Shift(int row, int k) => _tiled != 0 && Type == DType.Int4
        ? (8 * (k % 4)) + (row % TileRows / 8 * 4)
        : k * Bits % 32;

    /// <summary>The word of the scale of number (row, k)'s block.</summary>
    public long Scale(int row, int k)
    {
        int block = k / BlockQuantizer.BlockSize;
        long start = row / PanelRows * PanelScales;
        return _tiled == 0
            ? start + ((long)block * ColumnRows) + (row % ColumnRows)
            : start + ((long)(block / GroupsPerStage) * TileRows * GroupsPerStage)
                + (row % 8 * 4) + (row % TileRows / 8 * 2) + (block % GroupsPerStage);
    }
}
