namespace Steer.Kernels.Host;

/// <summary>Rows of one tile: where they are in the list of rows, and where their words are in memory.</summary>
internal readonly record struct RowRange(int First, int Rows, long Offset, int Words, FormatTiles Tiles);

/// <summary>
/// The rows of a launch of <see cref="MatMulKernel"/>, cut into ranges, and each range in the words and the order that its tiles read: rounded,
/// quantised and transposed once, whatever number of panels it meets.
/// </summary>
internal sealed unsafe class RowRanges(ThreadTeam team) : ParallelJob, IDisposable
{
    // Words above which the team shares the work: a few microseconds.
    private const long ParallelLength = 1 << 13;

    private readonly Scratch<nint> _rows = new();
    private readonly Scratch<uint> _coded = new();
    private readonly Scratch<float> _packed = new();
    private RowRange[] _ranges = new RowRange[16];
    private int _columns;
    private int _count;
    private long _length;

    /// <summary>Ranges so far.</summary>
    public int Count => _count;

    private float** Rows => (float**)_rows.Data;

    /// <summary>A range.</summary>
    public ref readonly RowRange this[int index] => ref _ranges[index];

    /// <summary>Starts a launch of at most <paramref name="maxRows"/> rows of <paramref name="columns"/> numbers.</summary>
    public void Begin(int maxRows, int columns)
    {
        _columns = columns;
        _count = 0;
        _length = 0;
        _rows.Reserve(maxRows);
    }

    /// <summary>Where a row's numbers are.</summary>
    public void SetRow(int index, float* row) => Rows[index] = row;

    /// <summary>Makes a range of rows [first, first + rows).</summary>
    public void Add(int first, int rows, FormatTiles tiles)
    {
        if (_count == _ranges.Length)
            Array.Resize(ref _ranges, 2 * _count);
        int words = RowCodes.Words(tiles.Code, _columns, tiles.Depth);
        _ranges[_count++] = new RowRange(first, rows, _length, words, tiles);
        _length += (long)rows * words;
    }

    /// <summary>Codes and packs all ranges.</summary>
    public void Pack()
    {
        _packed.Reserve(_length);
        _coded.Reserve(_length);
        if (_length >= ParallelLength)
            team.Run(this, _count);
        else
            RunAll(_count);
    }

    /// <summary>The words of a range from number <paramref name="k"/> on, which begins a step.</summary>
    public float* Packed(in RowRange range, int k)
    {
        float* start = InPlace(range) ? Rows[range.First] : _packed.Data + range.Offset;
        return start + ((long)range.Rows * RowCodes.Words(range.Tiles.Code, k, range.Tiles.Depth));
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        var range = _ranges[part];
        if (InPlace(range))
            return;
        var code = range.Tiles.Code;
        float* packed = _packed.Data + range.Offset;
        float** rows = Rows + range.First;
        float** coded = stackalloc float*[range.Rows];
        if (code != RowCode.Float || range.Rows == 1)
        {
            uint* memory = range.Rows == 1 ? (uint*)packed : _coded.Data + range.Offset;
            for (int row = 0; row < range.Rows; row++)
            {
                uint* words = memory + ((long)row * range.Words);
                RowCodes.Encode(code, rows[row], _columns, words);
                coded[row] = (float*)words;
            }
            rows = coded;
        }

        // Float codes leave it to their reader what fills up a step.
        int whole = code is RowCode.Float or RowCode.RoundedFloat ? _columns : range.Words;
        if (range.Rows > 1)
            RowPacker.Pack(rows, range.Rows, whole, packed);
        new Span<float>(packed + ((long)whole * range.Rows), (range.Words - whole) * range.Rows).Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows.Dispose();
        _coded.Dispose();
        _packed.Dispose();
    }

    // A single float32 row is in a tile's order as it is.
    private bool InPlace(in RowRange range) => range.Rows == 1 && range.Tiles.Code == RowCode.Float && range.Words == _columns;
}
