using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>
/// y = y * scale + (x A^T) B^T + bias on the columns of each segment, for the rows of all adapters in one launch. A thread takes a few rows of one
/// adapter through both products: the low-rank numbers between them stay in its first-level cache, and nobody waits for anybody.
/// </summary>
internal sealed unsafe class LoraKernel(ThreadTeam team, TileSet tiles) : ParallelJob, IDisposable
{
    private const int Block = 2 * HostWeight.PanelWidth;

    // Multiply-adds that are worth handing to another thread: a few microseconds.
    private const long PartCost = 1 << 17;

    private readonly Scratch<float> _memory = new();
    private HostMatrix _x;
    private HostMatrix _y;
    private Part[] _parts = new Part[16];
    private int _partCount;
    private long _length;

    /// <summary>Starts a launch.</summary>
    public void Begin(in HostMatrix x, in HostMatrix y)
    {
        (_x, _y) = (x, y);
        _partCount = 0;
        _length = 0;
    }

    /// <summary>Rows [start, start + count) go through this adapter.</summary>
    public void Add(HostLoraWeight weight, int start, int count)
    {
        if (count == 0)
            return;
        int wanted = (int)Math.Min(team.Threads, count * weight.Cost / PartCost);
        int parts = Math.Max((count + tiles.MaxRows - 1) / tiles.MaxRows, Math.Min(count, wanted));
        for (int i = 0; i < parts; i++)
        {
            int first = (int)((long)count * i / parts), end = (int)((long)count * (i + 1) / parts);
            if (_partCount == _parts.Length)
                Array.Resize(ref _parts, 2 * _partCount);
            _parts[_partCount++] = new Part(weight, start + first, end - first, _length);
            // The rows as tiles read them, their low-rank numbers, and those of one segment as tiles read them.
            _length += (end - first) * (weight.K + (2L * weight.PaddedRank));
        }
    }

    /// <summary>Runs.</summary>
    public void Launch()
    {
        _memory.Reserve(_length);
        team.Run(this, _partCount);
        Array.Clear(_parts, 0, _partCount);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        var (weight, first, count, offset) = _parts[part];
        float* packed = _memory.Data + offset;
        float* low = packed + ((long)count * weight.K);
        float* packedLow = low + ((long)count * weight.PaddedRank);
        float** rows = stackalloc float*[count];
        float** lowRows = stackalloc float*[count];
        for (int i = 0; i < count; i++)
        {
            rows[i] = _x.Row(first + i);
            lowRows[i] = low + ((long)i * weight.PaddedRank);
        }

        if (weight.A is { } a)
        {
            float* x = RowPacker.InTileOrder(rows, count, weight.K, packed);
            tiles.Multiply(a, 0, a.Panels, x, lowRows, count);
        }
        foreach (var segment in weight.Segments)
        {
            for (int i = 0; i < count; i++)
                rows[i] = lowRows[i] + segment.RankStart;
            Change(segment, RowPacker.InTileOrder(rows, count, segment.Rank, packedLow), first, count);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    // The second product of a segment, two panels at a time, and what it does to y.
    private void Change(HostLoraSegment segment, float* low, int first, int count)
    {
        float* delta = stackalloc float[count * Block];
        float** deltaRows = stackalloc float*[count];
        new Span<float>(delta, count * Block).Clear();
        for (int i = 0; i < count; i++)
            deltaRows[i] = delta + (i * Block);
        float* scale = segment.ColumnScale is null ? null : segment.ColumnScale.Data;
        float* bias = segment.ColumnBias is null ? null : segment.ColumnBias.Data;
        for (int column = 0; column < segment.Columns; column += Block)
        {
            if (segment.B is { } b)
            {
                int panel = column / HostWeight.PanelWidth;
                tiles.Multiply(b, panel, Math.Min(panel + 2, b.Panels), low, deltaRows, count);
            }
            int columns = Math.Min(Block, segment.Columns - column);
            for (int i = 0; i < count; i++)
            {
                Apply(
                    _y.Row(first + i) + segment.ColumnStart + column, deltaRows[i], scale is null ? null : scale + column,
                    bias is null ? null : bias + column, columns);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply(float* y, float* delta, float* scale, float* bias, int count)
    {
        int i = 0;
        for (; i <= count - VectorMath.Lanes; i += VectorMath.Lanes)
        {
            var value = Vector256.Load(y + i);
            if (scale is not null)
                value *= Vector256.Load(scale + i);
            value += Vector256.Load(delta + i);
            if (bias is not null)
                value += Vector256.Load(bias + i);
            value.Store(y + i);
        }
        for (; i < count; i++)
        {
            float value = scale is null ? y[i] : y[i] * scale[i];
            value += delta[i];
            y[i] = bias is null ? value : value + bias[i];
        }
    }

    // Rows of one adapter that a thread does at a time, and where its part of the memory begins.
    private readonly record struct Part(HostLoraWeight Weight, int First, int Count, long Offset);
}
