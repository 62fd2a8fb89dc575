using System.Runtime.CompilerServices;

namespace Steer.Kernels.Host;

/// <summary>
/// y = x W^T + bias for lists of rows, each list with its own weight, in one launch. Rows are put into the words and the order of the tiles first;
/// then threads take ranges of panels, and of rows where there are many. Within such a range k is cut into blocks, so that a block of all rows stays
/// in the second-level cache while the panels pass by; sums wait in y from block to block, which changes no bit of them.
/// </summary>
internal sealed unsafe class MatMulKernel(ThreadTeam team, TileSet tiles) : ParallelJob, IDisposable
{
    private const int PanelWidth = HostWeight.PanelWidth;

    // A block of rows x k in float32 fits into a second-level cache of half a megabyte; a block of k is long against what a tile does around it.
    private const int RowBlock = 144;
    private const int KBlock = 768;

    // k of a panel that are widened at a time: a quarter of a first-level cache in float32.
    private const int WidenedBlock = 128;

    // Multiply-adds, or weights read instead of 8 of them, that are worth handing to another thread: a few microseconds.
    private const long PartCost = 1 << 18;
    private const int ReadCost = 8;
    private const int PartsPerThread = 16;
    private const int LeastPartsPerThread = 4;
    private const int PanelsPerPart = 4;

    private readonly RowRanges _ranges = new(team);
    private readonly Scratch<nint> _yRows = new();
    private HostMatrix _x;
    private HostMatrix _y;
    private Product[] _products = new Product[4];
    private Part[] _parts = new Part[64];
    private int _productCount;
    private int _rowCount;
    private int _partCount;

    private float** YRows => (float**)_yRows.Data;

    /// <summary>Starts a launch of at most <paramref name="maxRows"/> rows.</summary>
    public void Begin(in HostMatrix x, in HostMatrix y, int maxRows)
    {
        (_x, _y) = (x, y);
        _productCount = _rowCount = _partCount = 0;
        _ranges.Begin(maxRows, x.Columns);
        _yRows.Reserve(maxRows);
    }

    /// <summary>The rows added next go through this weight; a weight and bias as before continue the list of before.</summary>
    public void Use(HostWeight weight, float* bias)
    {
        if (_productCount > 0 && _products[_productCount - 1].Weight == weight && _products[_productCount - 1].Bias == bias)
            return;
        if (_productCount == _products.Length)
            Array.Resize(ref _products, 2 * _productCount);
        _products[_productCount++] = new Product { Weight = weight, Tiles = tiles.For(weight.Format), Bias = bias, FirstRow = _rowCount };
    }

    /// <summary>Row <paramref name="x"/> of x gives row <paramref name="y"/> of y.</summary>
    public void AddRow(int x, int y)
    {
        _ranges.SetRow(_rowCount, _x.Row(x));
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
        _ranges.Pack();
        team.Run(this, _partCount);
        Array.Clear(_products, 0, _productCount);
    }

    /// <inheritdoc/>
    public override void Run(int part)
    {
        var p = _parts[part];
        ref readonly var product = ref _products[p.Product];
        if (product.Tiles.Widen is not null)
            MultiplyWidened(product, p);
        else
            Multiply(product, p);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ranges.Dispose();
        _yRows.Dispose();
    }

    // Cuts a product's rows into tiles of nearly equal size, and its work into parts.
    private void Plan(int index)
    {
        ref readonly var product = ref _products[index];
        if (product.Rows == 0)
            return;
        int panels = product.Weight.Panels;
        int ranges = (product.Rows + tiles.MaxRows - 1) / tiles.MaxRows;
        int firstRange = _ranges.Count;
        for (int i = 0; i < ranges; i++)
        {
            int start = Share(product.Rows, ranges, i);
            _ranges.Add(product.FirstRow + start, Share(product.Rows, ranges, i + 1) - start, product.Tiles);
        }

        // A single row may be multiplied by two panels at once: its parts begin at even ones.
        int unit = product.Rows == 1 ? 2 : 1;
        int units = (panels + unit - 1) / unit;
        long cost = (long)(product.Rows + ReadCost) * product.Weight.K * panels * PanelWidth;
        int wanted = (int)Math.Clamp(cost / PartCost, 1, PartsPerThread * team.Threads);
        // Rows are cut where panels are too few for the team: else each panel is read once for all rows of a block, and several panels follow each other.
        int least = Math.Min(wanted, LeastPartsPerThread * team.Threads);
        int rowBlocks = Math.Max((product.Rows + RowBlock - 1) / RowBlock, Math.Min(ranges, (least + units - 1) / units));
        int panelBlocks = Math.Clamp(Math.Min((wanted + rowBlocks - 1) / rowBlocks, Math.Max(least, units / PanelsPerPart)), 1, units);
        for (int r = 0; r < rowBlocks; r++)
        {
            int start = Share(ranges, rowBlocks, r), end = Share(ranges, rowBlocks, r + 1);
            for (int b = 0; b < panelBlocks; b++)
            {
                int panelStart = unit * Share(units, panelBlocks, b), panelEnd = Math.Min(panels, unit * Share(units, panelBlocks, b + 1));
                if (_partCount == _parts.Length)
                    Array.Resize(ref _parts, 2 * _partCount);
                _parts[_partCount++] = new Part(index, firstRange + start, end - start, panelStart, panelEnd);
            }
        }
    }

    private void Multiply(in Product product, Part part)
    {
        var weight = product.Weight;
        int panel = part.FirstPanel;
        if (part.Ranges == 1 && _ranges[part.FirstRange].Rows == 1 && product.Tiles.Stream.Exists)
        {
            for (; panel + 1 < part.EndPanel && (panel + 2) * PanelWidth <= weight.N; panel += 2)
                MultiplyPair(product, panel, _ranges[part.FirstRange]);
        }
        int block = part.Ranges == 1 ? weight.K : Math.Min(weight.K, KBlock);
        int k = 0;
        do
        {
            int count = Math.Min(block, weight.K - k);
            for (int i = panel; i < part.EndPanel; i++)
            {
                byte* source = weight.Panel(i, k);
                for (int r = 0; r < part.Ranges; r++)
                    Multiply(product, i, _ranges[part.FirstRange + r], k, count, source, weight.StepBytes, Next(product, part, r, i, k, count));
            }
            k += count;
        }
        while (k < weight.K);
    }

    // Panels of float32 that a thread makes for itself, piece by piece.
    [SkipLocalsInit]
    private void MultiplyWidened(in Product product, Part part)
    {
        float* wide = stackalloc float[WidenedBlock * PanelWidth];
        var weight = product.Weight;
        for (int panel = part.FirstPanel; panel < part.EndPanel; panel++)
        {
            int k = 0;
            do
            {
                int count = Math.Min(WidenedBlock, weight.K - k);
                product.Tiles.Widen(weight.Panel(panel, k), BlockQuantizer.Blocks(count), wide);
                for (int r = 0; r < part.Ranges; r++)
                    Multiply(product, panel, _ranges[part.FirstRange + r], k, count, (byte*)wide, PanelWidth * sizeof(float), null);
                k += count;
            }
            while (k < weight.K);
        }
    }

    // One row range x one panel x one block of k.
    private void Multiply(in Product product, int panel, in RowRange range, int k, int count, byte* source, nint stride, byte* next)
    {
        var weight = product.Weight;
        int columns = Math.Min(PanelWidth, weight.N - (panel * PanelWidth));
        bool last = k + count == weight.K;
        var args = weight.Args(_ranges.Packed(range, k), &source, YRows + range.First);
        args.K = count;
        args.Stride = stride;
        args.Column = panel * PanelWidth;
        args.Bias = last && product.Bias is not null ? product.Bias + (panel * PanelWidth) : null;
        args.Carry = k > 0;
        args.Next = next;
        if (columns == PanelWidth)
            product.Tiles.Rows(range.Rows).Run(&args);
        else
            MultiplyRagged(args, product.Tiles.Rows(range.Rows), range.Rows, columns);
    }

    // What comes after this block of this panel: the first two ranges fetch half of it each. A panel that a single range reads goes by too fast for it.
    private static byte* Next(in Product product, Part part, int range, int panel, int k, int count)
    {
        var weight = product.Weight;
        if (part.Ranges == 1 || range > 1)
            return weight.Panel(panel, k);
        byte* next = panel + 1 < part.EndPanel ? weight.Panel(panel + 1, k) : weight.Panel(part.FirstPanel, k + count);
        return next + (range * (long)((count + weight.Depth - 1) / weight.Depth) * product.Tiles.PrefetchBytes);
    }

    // The last panel has fewer columns than a tile writes: the sums go by way of the stack.
    private static void MultiplyRagged(TileArgs args, TileCode tile, int rows, int columns)
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
        tile.Run(&args);
        for (int row = 0; row < rows; row++)
            Copy(sumRows[row], y[row] + column, columns);
    }

    // One row x two whole panels.
    private void MultiplyPair(in Product product, int panel, in RowRange range)
    {
        var weight = product.Weight;
        byte** panels = stackalloc byte*[2] { weight.Panel(panel), weight.Panel(panel + 1) };
        var args = weight.Args(_ranges.Packed(range, 0), panels, YRows + range.First);
        args.Column = panel * PanelWidth;
        args.Bias = product.Bias is null ? null : product.Bias + (panel * PanelWidth);
        product.Tiles.Stream.Run(&args);
    }

    private static void Copy(float* from, float* to, int count) => new ReadOnlySpan<float>(from, count).CopyTo(new Span<float>(to, count));

    private static int Share(int total, int parts, int index) => (int)((long)total * index / parts);

    private struct Product
    {
        public HostWeight Weight;
        public FormatTiles Tiles;
        public float* Bias;
        public int FirstRow;
        public int Rows;
    }

    // What one thread does at a time: panels of one product for some of its row ranges.
    private readonly record struct Part(int Product, int FirstRange, int Ranges, int FirstPanel, int EndPanel);
}
