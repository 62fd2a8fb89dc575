using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>Rows of one tile: where they are in the list of rows, and their words in the order of the tile.</summary>
internal unsafe struct RowRange
{
    public int First;
    public int Rows;
    public FormatTiles Tiles;
    public float* Words;
}

/// <summary>
/// The rows of a launch of <see cref="MatMulKernel"/>, cut into ranges, and each range in the words and the order that its tiles read: rounded,
/// quantised and transposed once, whatever number of panels it meets.
/// </summary>
internal sealed unsafe class RowRanges(ThreadTeam team) : ParallelJob, IDisposable
{
    // k that are coded and then transposed while they are in a first-level cache; whole blocks and steps of every format.
    private const int Chunk = 256;

    // Words above which the team shares the work: a few microseconds.
    private const long ParallelLength = 1 << 12;
    private const int PartsPerThread = 2;

    private readonly Scratch<nint> _rows = new();
    private readonly Scratch<float> _packed = new();
    private RowRange[] _ranges = new RowRange[16];
    private int _columns;
    private int _count;
    private int _slices;
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
        _ranges[_count++] = new RowRange { First = first, Rows = rows, Tiles = tiles };
        _length += (long)rows * RowCodes.Words(tiles.Code, _columns, tiles.Depth);
    }

    /// <summary>Codes and packs all ranges.</summary>
    public void Pack()
    {
        float* words = _packed.Reserve(_length);
        for (int i = 0; i < _count; i++)
        {
            ref var range = ref _ranges[i];
            range.Words = InPlace(range) ? Rows[range.First] : words;
            words += (long)range.Rows * RowCodes.Words(range.Tiles.Code, _columns, range.Tiles.Depth);
        }

        bool shared = _length >= ParallelLength;
        _slices = shared ? Math.Clamp(PartsPerThread * team.Threads / _count, 1, (_columns / Chunk) + 1) : 1;
        if (shared)
            team.Run(this, _count * _slices);
        else
            RunAll(_count);
    }

    /// <inheritdoc/>
    [SkipLocalsInit]
    public override void Run(int part)
    {
        ref readonly var range = ref _ranges[part / _slices];
        if (InPlace(range))
            return;
        var (code, depth) = (range.Tiles.Code, range.Tiles.Depth);
        uint* coded = stackalloc uint[range.Rows * Chunk];
        float** rows = stackalloc float*[range.Rows];
        int end = SliceStart((part % _slices) + 1);
        for (int k = SliceStart(part % _slices); k < end; k += Chunk)
        {
            int count = Math.Min(Chunk, end - k), words = RowCodes.Words(code, count, depth);
            // Float codes leave it to their reader what fills up a step.
            int whole = code is RowCode.Float or RowCode.RoundedFloat ? count : words;
            float* to = range.Words + ((long)range.Rows * RowCodes.Words(code, k, depth));
            for (int row = 0; row < range.Rows; row++)
            {
                float* x = Rows[range.First + row] + k;
                rows[row] = x;
                if (code != RowCode.Float || range.Rows == 1)
                {
                    uint* memory = range.Rows == 1 ? (uint*)to : coded + (row * Chunk);
                    RowCodes.Encode(code, x, count, memory);
                    rows[row] = (float*)memory;
                }
            }
            if (range.Rows > 1)
                RowPacker.Pack(rows, range.Rows, whole, to);
            new Span<float>(to + ((long)whole * range.Rows), (words - whole) * range.Rows).Clear();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows.Dispose();
        _packed.Dispose();
    }

    private int SliceStart(int slice) => slice == _slices ? _columns : (int)((long)_columns * slice / _slices / Chunk * Chunk);

    // A single float32 row is in a tile's order as it is.
    private bool InPlace(in RowRange range) =>
        range.Rows == 1 && range.Tiles.Code == RowCode.Float && RowCodes.Words(RowCode.Float, _columns, range.Tiles.Depth) == _columns;
}
