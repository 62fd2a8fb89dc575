namespace Steer.Kernels.Host;

/// <summary>
/// y = x W^T + bias for lists of rows, each list with its own weight, in one launch. Rows are put into the order of the tiles first; then threads
/// take ranges of panels, and of rows where there are many. Within such a range k is cut into blocks, so that a block of all rows stays in the
/// second-level cache while the panels pass by; sums wait in y from block to block, which changes no bit of them.
/// </summary>
internal sealed unsafe class MatMulKernel : ParallelJob, IDisposable
{
    private const int PanelWidth = HostWeight.PanelWidth;

    // A block of rows x k in float32 fits into a second-level cache of half a megabyte; a block of k is long against what a tile does around it.
    private const int RowBlock = 144;
    private const int KBlock = 768;

    // Multiply-adds, or weights read instead of 8 of them, that are worth handing to another thread: a few microseconds.
    private const long PartCost = 1 << 18;
    private const int ReadCost = 8;
    private const int PartsPerThread = 16;
    private const long ParallelPackLength = 1 << 13;

    private readonly ThreadTeam _team;
    private readonly TileSet _tiles;
    private readonly PackRowsJob _packRows;
    private readonly Scratch<nint> _xRows = new();
    private readonly Scratch<nint> _yRows = new();
    private readonly Scratch<float> _packed = new();
    private HostMatrix _x;
    private HostMatrix _y;
    private Product[] _products = new Product[4];
    private RowRange[] _ranges = new RowRange[16];
    private Part[] _parts = new Part[64];
    private int _productCount;
    private int _rowCount;
    private int _rangeCount;
    private int _partCount;

    public MatMulKernel(ThreadTeam team, TileSet tiles)
    {
        _team = team;
        _tiles = tiles;
        _packRows = new PackRowsJob(this);
    }

    private float** XRows => (float**)_xRows.Data;

    private float** YRows => (float**)_yRows.Data;

    /// <summary>Starts a launch of at most <paramref name="maxRows"/> rows.</summary>
    public void Begin(in HostMatrix x, in HostMatrix y, int maxRows)
    {
        (_x, _y) = (x, y);
        _productCount = _rowCount = _rangeCount = _partCount = 0;
        _xRows.Reserve(maxRows);
        _yRows.Reserve(maxRows);
    }

    /// <summary>The rows added next go through this weight; a weight and bias as before continue the list of before.</summary>
    public void Use(HostWeight weight, float* bias)
    {
        if (_productCount > 0 && _products[_productCount - 1].Weight == weight && _products[_productCount - 1].Bias == bias)
            return;
        if (_productCount == _products.Length)
            Array.Resize(ref _products, 2 * _productCount);
        _products[_productCount++] = new Product { Weight = weight, Bias = bias, FirstRow = _rowCount };
    }

    /// <summary>Row <paramref name="x"/> of x gives row <paramref name="y"/> of y.</summary>
    public void AddRow(int x, int y)
    {
        XRows[_rowCount] = _x.Row(x);
        YRows[_rowCount++] = _y.Row(y);
        _products[_productCount - 1].Rows++;
    }

    /// <summary>Multiplies.</summary>
    public void Launch()
    {
        for (int i = 0; i < _productCount; i++)
            Plan(i);
        if (_partCount == 0)
            return;
        long length = (long)_rowCount * _x.Columns;
        _packed.Reserve(length);
        if (length >= ParallelPackLength)
            _team.Run(_packRows, _rangeCount);
        else
            _packRows.RunAll(_rangeCount);
        _team.Run(this, _partCount);
        Array.Clear(_products, 0, _productCount);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        var p = _parts[part];
        ref readonly var product = ref _products[p.Product];
        int length = product.Weight.K;
        int panel = p.FirstPanel;
        if (p.Ranges == 1 && _ranges[p.FirstRange].Rows == 1)
        {
            for (; panel + 1 < p.EndPanel && (panel + 2) * PanelWidth <= product.Weight.N; panel += 2)
                MultiplyPair(product, panel, _ranges[p.FirstRange]);
        }
        int block = p.Ranges == 1 ? length : Math.Min(length, KBlock);
        int k = 0;
        do
        {
            int count = Math.Min(block, length - k);
            for (int i = panel; i < p.EndPanel; i++)
            {
                for (int range = p.FirstRange; range < p.FirstRange + p.Ranges; range++)
                    Multiply(product, i, _ranges[range], k, count);
            }
            k += count;
        }
        while (k < length);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _xRows.Dispose();
        _yRows.Dispose();
        _packed.Dispose();
    }

    // Cuts a product's rows into tiles of nearly equal size, and its work into parts.
    private void Plan(int index)
    {
        ref readonly var product = ref _products[index];
        if (product.Rows == 0)
            return;
        int panels = product.Weight.Panels;
        int ranges = (product.Rows + _tiles.MaxRows - 1) / _tiles.MaxRows;
        int firstRange = _rangeCount;
        for (int i = 0; i < ranges; i++)
        {
            int start = Share(product.Rows, ranges, i);
            Append(ref _ranges, ref _rangeCount, new RowRange(product.FirstRow + start, Share(product.Rows, ranges, i + 1) - start));
        }

        // A single row is multiplied by two panels at once: its parts begin at even ones.
        int unit = product.Rows == 1 ? 2 : 1;
        int units = (panels + unit - 1) / unit;
        long cost = (long)(product.Rows + ReadCost) * product.Weight.K * panels * PanelWidth;
        int wanted = (int)Math.Clamp(cost / PartCost, 1, PartsPerThread * _team.Threads);
        int rowBlocks = Math.Max((product.Rows + RowBlock - 1) / RowBlock, Math.Min(ranges, (wanted + units - 1) / units));
        int panelBlocks = Math.Clamp((wanted + rowBlocks - 1) / rowBlocks, 1, units);
        for (int r = 0; r < rowBlocks; r++)
        {
            int start = Share(ranges, rowBlocks, r), end = Share(ranges, rowBlocks, r + 1);
            for (int b = 0; b < panelBlocks; b++)
            {
                int panelStart = unit * Share(units, panelBlocks, b), panelEnd = Math.Min(panels, unit * Share(units, panelBlocks, b + 1));
                Append(ref _parts, ref _partCount, new Part(index, firstRange + start, end - start, panelStart, panelEnd));
            }
        }
    }

    // One row range x one panel x one block of k.
    private void Multiply(in Product product, int panel, RowRange range, int k, int count)
    {
        var weight = product.Weight;
        int columns = Math.Min(PanelWidth, weight.N - (panel * PanelWidth));
        byte* source = weight.Panel(panel);
        bool last = k + count == weight.K;
        var args = weight.Args(Packed(range) + ((long)k * range.Rows), &source, YRows + range.First);
        args.First = k;
        args.K = count;
        args.Column = panel * PanelWidth;
        args.Bias = last && product.Bias is not null ? product.Bias + (panel * PanelWidth) : null;
        args.Carry = k > 0;
        if (columns == PanelWidth)
            _tiles.Rows(weight.Type, range.Rows)(&args);
        else
            MultiplyRagged(args, weight.Type, range.Rows, columns);
    }

    // The last panel has fewer columns than a tile writes: the sums go by way of the stack.
    private void MultiplyRagged(TileArgs args, DType type, int rows, int columns)
    {
        float* sums = stackalloc float[(rows + 1) * PanelWidth];
        float** sumRows = stackalloc float*[rows];
        float* bias = sums + (rows * PanelWidth);
        float** y = args.Y;
        nint column = args.Column;
        for (int row = 0; row < rows; row++)
        {
            sumRows[row] = sums + (row * PanelWidth);
            if (args.Carry)
                Copy(y[row] + column, sumRows[row], columns);
        }
        if (args.Bias is not null)
        {
            Copy(args.Bias, bias, columns);
            args.Bias = bias;
        }
        args.Y = sumRows;
        args.Column = 0;
        _tiles.Rows(type, rows)(&args);
        for (int row = 0; row < rows; row++)
            Copy(sumRows[row], y[row] + column, columns);
    }

    // One row x two whole panels.
    private void MultiplyPair(in Product product, int panel, RowRange range)
    {
        var weight = product.Weight;
        byte** panels = stackalloc byte*[2] { weight.Panel(panel), weight.Panel(panel + 1) };
        var args = weight.Args(Packed(range), panels, YRows + range.First);
        args.Column = panel * PanelWidth;
        args.Bias = product.Bias is null ? null : product.Bias + (panel * PanelWidth);
        _tiles.Stream(weight.Type)(&args);
    }

    // A single row is in a tile's order as it is.
    private float* Packed(RowRange range) =>
        range.Rows == 1 ? XRows[range.First] : _packed.Data + ((long)range.First * _x.Columns);

    private static void Copy(float* from, float* to, int count) => new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));

    private static int Share(int total, int parts, int index) => (int)((long)total * index / parts);

    private static void Append<T>(ref T[] list, ref int count, T item)
    {
        if (count == list.Length)
            Array.Resize(ref list, 2 * count);
        list[count++] = item;
    }

    private struct Product
    {
        public HostWeight Weight;
        public float* Bias;
        public int FirstRow;
        public int Rows;
    }

    // Rows of one tile.
    private readonly record struct RowRange(int First, int Rows);

    // What one thread does at a time: panels of one product for some of its row ranges.
    private readonly record struct Part(int Product, int FirstRange, int Ranges, int FirstPanel, int EndPanel);

    private sealed class PackRowsJob(MatMulKernel kernel) : ParallelJob
    {
        public override void Run(int part)
        {
            var range = kernel._ranges[part];
            if (range.Rows > 1)
                RowPacker.Pack(kernel.XRows + range.First, range.Rows, kernel._x.Columns, kernel.Packed(range));
        }
    }
}
