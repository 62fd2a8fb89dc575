using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Steer.Kernels.Host;

/// <summary>
/// y = y * scale + (x A^T) B^T + bias on the columns of each segment, for the rows of all adapters. A few rows of one adapter are a part. Its first
/// product is summed in slices of k, which depend on k alone and are added in order: that keeps the bits of a row the same in any company. Where
/// there are parts for all threads, each thread does whole ones; else one launch does the slices and another the second product in blocks of columns,
/// so that even a single row keeps several threads busy.
/// </summary>
internal sealed unsafe class LoraKernel(ThreadTeam team, TileSet tiles) : ParallelJob, IDisposable
{
    private const int SliceLength = 256;
    private const int MaxSlices = 4;
    private const int ColumnBlock = 256;
    private const int Pair = 2 * HostWeight.PanelWidth;

    // Multiply-adds, or weights read instead of three of them, that are worth the team: a few microseconds.
    private const long TeamCost = 1 << 17;
    private const int ReadCost = 3;

    // Low-rank numbers of a part's rows that its second product takes from the stack: 256 KB.
    private const int MaxStackNumbers = 1 << 16;

    // Rows of a part that pay for a reading of the weights of its own.
    private const int LeastRows = 4;

    private readonly Scratch<float> _memory = new();
    private HostMatrix _x;
    private HostMatrix _y;
    private Part[] _parts = new Part[16];
    private Item[] _items = new Item[64];
    private int _partCount;
    private int _downCount;
    private int _itemCount;
    private int _begin;
    private long _length;
    private long _cost;

    /// <summary>Starts a launch.</summary>
    public void Begin(in HostMatrix x, in HostMatrix y)
    {
        (_x, _y) = (x, y);
        _partCount = 0;
        _length = 0;
        _cost = 0;
    }

    /// <summary>Rows [start, start + count) go through this adapter.</summary>
    public void Add(HostLoraWeight weight, int start, int count)
    {
        if (count == 0)
            return;
        _cost += (count + ReadCost) * weight.Cost;
        int parts = (count + tiles.MaxRows - 1) / tiles.MaxRows;
        if (count >= LeastRows * team.Threads)
            parts = (parts + team.Threads - 1) / team.Threads * team.Threads;
        for (int i = 0; i < parts; i++)
        {
            int first = Share(count, parts, i), rows = Share(count, parts, i + 1) - first;
            Append(ref _parts, ref _partCount, new Part(weight, start + first, rows, _length));
            // The rows as tiles read them, and the low-rank numbers of each slice.
            _length += rows * (weight.K + (long)Slices(weight) * weight.PaddedRank);
        }
    }

    /// <summary>Runs.</summary>
    public void Launch()
    {
        _memory.Reserve(_length);
        _itemCount = _downCount = 0;
        if (_partCount >= team.Threads)
        {
            Run(0, _partCount);
        }
        else
        {
            AddItems();
            Run(0, _downCount);
            Run(_downCount, _itemCount);
        }
        Array.Clear(_parts, 0, _partCount);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        if (_itemCount == 0)
        {
            RunWhole(_parts[part]);
            return;
        }
        var item = _items[_begin + part];
        if (_begin + part < _downCount)
            Down(_parts[item.Part], item.Index);
        else
            Up(_parts[item.Part], _parts[item.Part].Weight.Segments[item.Index], item.Column, ColumnBlock);
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private void Run(int begin, int end)
    {
        _begin = begin;
        if (_cost >= TeamCost)
            team.Run(this, end - begin);
        else
            RunAll(end - begin);
    }

    private void AddItems()
    {
        for (int part = 0; part < _partCount; part++)
        {
            for (int slice = 0; slice < Slices(_parts[part].Weight); slice++)
                Append(ref _items, ref _itemCount, new Item(part, slice, 0));
        }
        _downCount = _itemCount;
        for (int part = 0; part < _partCount; part++)
        {
            var segments = _parts[part].Weight.Segments;
            for (int segment = 0; segment < segments.Length; segment++)
            {
                for (int column = 0; column < segments[segment].Columns; column += ColumnBlock)
                    Append(ref _items, ref _itemCount, new Item(part, segment, column));
            }
        }
    }

    private void RunWhole(Part part)
    {
        for (int slice = 0; slice < Slices(part.Weight); slice++)
            Down(part, slice);
        foreach (var segment in part.Weight.Segments)
            Up(part, segment, 0, segment.Columns);
    }

    // x A^T over one slice of k.
    private void Down(Part part, int slice)
    {
        var weight = part.Weight;
        int slices = Slices(weight), first = SliceStart(weight.K, slices, slice), count = SliceStart(weight.K, slices, slice + 1) - first;
        float* low = Low(part) + ((long)slice * part.Rows * weight.PaddedRank);
        float** rows = stackalloc float*[part.Rows];
        float** lowRows = stackalloc float*[part.Rows];
        for (int i = 0; i < part.Rows; i++)
        {
            rows[i] = _x.Row(part.First + i) + first;
            lowRows[i] = low + ((long)i * weight.PaddedRank);
        }
        float* x = RowPacker.InTileOrder(rows, part.Rows, count, _memory.Data + part.Offset + ((long)first * part.Rows));
        tiles.Multiply(weight.A!, 0, weight.A!.Panels, first, count, x, lowRows, part.Rows);
    }

    // The second product of a segment on some columns, two panels at a time, and what it does to y.
    [SkipLocalsInit]
    private void Up(Part part, HostLoraSegment segment, int start, int count)
    {
        long numbers = (long)part.Rows * segment.Rank;
        if (numbers <= MaxStackNumbers)
        {
            float* low = stackalloc float[(int)numbers];
            Up(part, segment, start, count, low);
        }
        else
        {
            using var memory = new Scratch<float>();
            Up(part, segment, start, count, memory.Reserve(numbers));
        }
    }

    [SkipLocalsInit]
    private void Up(Part part, HostLoraSegment segment, int start, int count, float* low)
    {
        float* delta = stackalloc float[part.Rows * Pair];
        float** deltaRows = stackalloc float*[part.Rows];
        for (int i = 0; i < part.Rows; i++)
            deltaRows[i] = delta + (i * Pair);
        if (segment.B is null)
            new Span<float>(delta, part.Rows * Pair).Clear();
        else
            AddSlices(part, segment, low);
        float* scale = segment.ColumnScale is null ? null : segment.ColumnScale.Data;
        float* bias = segment.ColumnBias is null ? null : segment.ColumnBias.Data;
        int end = Math.Min(start + count, segment.Columns);
        for (int column = start; column < end; column += Pair)
        {
            if (segment.B is { } b)
            {
                int panel = column / HostWeight.PanelWidth;
                tiles.Multiply(b, panel, Math.Min(panel + 2, b.Panels), 0, segment.Rank, low, deltaRows, part.Rows);
            }
            int columns = Math.Min(Pair, end - column);
            for (int i = 0; i < part.Rows; i++)
            {
                Apply(
                    _y.Row(part.First + i) + segment.ColumnStart + column, deltaRows[i], scale is null ? null : scale + column,
                    bias is null ? null : bias + column, columns);
            }
        }
    }

    // The low-rank numbers of a segment, all slices together, in the order of tiles [rank][rows].
    private void AddSlices(Part part, HostLoraSegment segment, float* packed)
    {
        int stride = part.Weight.PaddedRank, slices = Slices(part.Weight);
        for (int i = 0; i < part.Rows; i++)
        {
            float* low = Low(part) + ((long)i * stride) + segment.RankStart;
            for (int j = 0; j < segment.Rank; j++)
            {
                float sum = low[j];
                for (int slice = 1; slice < slices; slice++)
                    sum += low[((long)slice * part.Rows * stride) + j];
                packed[(j * part.Rows) + i] = sum;
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

    private float* Low(Part part) => _memory.Data + part.Offset + ((long)part.Rows * part.Weight.K);

    private static int Slices(HostLoraWeight weight) => weight.A is null ? 0 : Math.Clamp(weight.K / SliceLength, 1, MaxSlices);

    // Slices begin at even k, so that pairs of 16-bit weights stay together.
    private static int SliceStart(int k, int slices, int index) => index == slices ? k : Share(k, slices, index) / 2 * 2;

    private static int Share(int total, int parts, int index) => (int)((long)total * index / parts);

    private static void Append<T>(ref T[] list, ref int count, T item)
    {
        if (count == list.Length)
            Array.Resize(ref list, 2 * count);
        list[count++] = item;
    }

    // Rows of one adapter that are worked on together, and where their part of the memory begins.
    private readonly record struct Part(HostLoraWeight Weight, int First, int Rows, long Offset);

    // A slice of a part's first product, or a segment and a block of columns of its second.
    private readonly record struct Item(int Part, int Index, int Column);
}
